/// Why a compressed body could not be read. None of these gets better by trying again, but for
/// ``overBudget(bytes:)``.
public enum DecompressionError: Error, Equatable, Sendable {
    /// The bytes are not what the encoding says, a checksum differs, or something follows the end.
    case corrupt
    /// The body ends too early. An empty body is truncated.
    case truncated
    /// The body holds more than `limit` bytes.
    case tooLarge(limit: Int)
    /// The body is well formed as far as read, and needs a preset dictionary or a window over
    /// ``Decompressor/zstdWindowBytesMax``.
    case unsupported
    /// The caller's budget refused `bytes` bytes: the same body may fit later.
    case overBudget(bytes: Int)
}

extension DecompressionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .corrupt: "the compressed body is corrupt"
        case .truncated: "the compressed body ends too early"
        case .tooLarge(let limit): "the body is larger than \(limit) bytes after decompression"
        case .unsupported: "the compressed body needs a dictionary or too large a window"
        case .overBudget(let bytes): "there is no room for a body of \(bytes) bytes now"
        }
    }
}
