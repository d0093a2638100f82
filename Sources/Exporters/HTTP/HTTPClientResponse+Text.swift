import Bytes
import HTTP
import HTTPClient

extension HTTPClientResponse {
    /// The content type without its parameters, in lower case; empty where there is none.
    var mediaType: String {
        let value = headers["Content-Type"] ?? ""
        let end = value.firstIndex { $0 == ";" || $0 == " " } ?? value.endIndex
        return value[..<end].lowercased()
    }

    /// The body's start, for a log line.
    var words: String {
        PrintableText.text(
            body.rawSpan, ByteRange(start: 0, end: body.count),
            bytesMax: PrintableText.messageBytesMax)
    }
}
