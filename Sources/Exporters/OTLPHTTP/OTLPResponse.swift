import Bytes
import HTTPClient
import OTLP

/// The body that answers an export, as far as a client needs it.
struct OTLPResponse: Equatable {
    /// Items that the destination took no part of, and never will.
    var rejectedItemCount = 0
    /// Why, or a warning where none were rejected. Made printable.
    var message = ""

    /// A JSON answer may not grow beyond this as protobuf.
    private static let protobufBytesMax = 4 << 20

    /// Reads a success. `nil` when the body is no `Export…ServiceResponse` of the signal.
    init?(_ response: HTTPClientResponse, _ signal: Signal) {
        guard !response.isBodyCut else { return nil }
        // An empty message: nothing was rejected. Some destinations leave the content type out.
        if response.body.isEmpty { return }
        switch response.mediaType {
        case "application/x-protobuf", "application/protobuf":
            guard (try? read(response.body.rawSpan)) != nil else { return nil }
        case "application/json":
            guard
                let transcoded = try? OTLPJSON.transcode(
                    response.body.rawSpan, as: signal, .response,
                    outputBytesMax: Self.protobufBytesMax),
                (try? read(transcoded.protobuf.rawSpan)) != nil
            else { return nil }
        default: return nil
        }
    }

    /// The words of a failure: the `message` of a `google.rpc.Status`, or else the body's start.
    static func failure(_ response: HTTPClientResponse) -> String {
        guard response.mediaType == "application/x-protobuf" else { return response.words }
        let body = response.body.rawSpan
        guard let message = try? statusMessage(body) else { return "" }
        return PrintableText.text(body, message, bytesMax: PrintableText.messageBytesMax)
    }

    // message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
    // message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
    // The same for metrics (rejected_data_points) and logs (rejected_log_records).
    private mutating func read(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(ByteRange(start: 0, end: body.byteCount))
        while let field = try reader.next(in: body) {
            guard field.number == 1 else { continue }
            try field.expect(.bytes)
            var partial = WireReader(field.value)
            while let field = try partial.next(in: body) {
                switch field.number {
                case 1:
                    try field.expect(.varint)
                    rejectedItemCount = max(0, Int(Int64(bitPattern: field.bits)))
                case 2:
                    try field.expect(.bytes)
                    message = PrintableText.text(
                        body, field.value, bytesMax: PrintableText.messageBytesMax)
                default: continue
                }
            }
        }
    }

    // message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details =
    // 3; }
    private static func statusMessage(_ body: RawSpan) throws(WireError) -> ByteRange {
        var message = ByteRange.none
        var reader = WireReader(ByteRange(start: 0, end: body.byteCount))
        while let field = try reader.next(in: body) {
            guard field.number == 2 else { continue }
            try field.expect(.bytes)
            message = field.value
        }
        return message
    }
}
