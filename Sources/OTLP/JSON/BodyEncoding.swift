/// How a body is encoded: OTLP/HTTP answers in the request's encoding.
@frozen
public enum BodyEncoding: UInt8, Sendable, Hashable, CaseIterable {
    /// `application/x-protobuf`
    case protobuf
    /// `application/json`
    case json

    /// The media type, as `Content-Type` names it.
    public var contentType: String {
        switch self {
        case .protobuf: "application/x-protobuf"
        case .json: "application/json"
        }
    }
}

/// Messages to clients are cut to this: a response may take 4 MiB (OTLP specification, "Server
/// response size"), and no one reads more.
let clientMessageBytesMax = 8 << 10

extension String {
    /// The longest prefix of whole scalars within `bytesMax` bytes of UTF-8.
    func prefix(bytesMax: Int) -> String {
        guard utf8.count > bytesMax else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: bytesMax)
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
