import Bytes
import Compression
import OTLP

/// Makes a request's body of its protobuf: transcoded and compressed as the settings say.
struct BodyEncoder: ~Copyable {
    private let signal: Signal
    private let encoding: LoadSettings.Encoding
    private var compressor: Compressor?
    private var writer = OTLPJSON.Writer()

    init(_ settings: LoadSettings) {
        signal = settings.signal
        encoding = settings.encoding
        compressor = settings.compression == .identity ? nil : Compressor(settings.compression)
    }

    mutating func body(_ request: [UInt8]) -> [UInt8] {
        var body = request
        if encoding == .json {
            body = []
            do throws(WireError) {
                try writer.write(request.rawSpan, as: signal, into: &body)
            } catch {
                preconditionFailure("BUG: a generated request is no protobuf: \(error)")
            }
        }
        return compressor?.compress(body.rawSpan) ?? body
    }
}
