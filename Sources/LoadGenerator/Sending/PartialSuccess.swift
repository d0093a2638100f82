import Bytes
import OTLP

/// Reads how many items of a request the server turned down.
///
///     message ExportXServiceResponse { ExportXPartialSuccess partial_success = 1; }
///     message ExportXPartialSuccess  { int64 rejected_x = 1; string error_message = 2; }
enum PartialSuccess {
    /// An answer is a few hundred bytes; one that grows beyond this in protobuf is no answer.
    private static let bytesMax = 1 << 20

    /// `nil` when the body is no such response.
    static func rejectedCount(
        _ body: [UInt8], _ signal: Signal, _ encoding: LoadSettings.Encoding
    ) -> Int? {
        switch encoding {
        case .proto: return try? rejectedCount(protobuf: body)
        case .json:
            let transcoded = try? OTLPJSON.transcode(
                body.rawSpan, as: signal, .response, outputBytesMax: bytesMax)
            return transcoded.flatMap { try? rejectedCount(protobuf: $0.protobuf) }
        }
    }

    private static func rejectedCount(protobuf: [UInt8]) throws(WireError) -> Int {
        let bytes = protobuf.rawSpan
        var rejected: Int64 = 0
        var response = WireReader(ByteRange(start: 0, end: protobuf.count))
        while let field = try response.next(in: bytes) {
            guard field.number == 1 else { continue }
            var partial = WireReader(try field.bytes())
            while let field = try partial.next(in: bytes) {
                guard field.number == 1 else { continue }
                try field.expect(.varint)
                rejected = Int64(bitPattern: field.bits)
            }
        }
        return Int(max(rejected, 0))
    }
}
