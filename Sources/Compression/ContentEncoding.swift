/// How a body is encoded on the wire: the codings of the `Content-Encoding` field
/// (RFC 9110, section 8.4.1) that Sluice reads and writes.
public enum ContentEncoding: UInt8, Sendable, Hashable, CaseIterable {
    /// As it is.
    case identity
    /// One or more gzip members (RFC 1952).
    case gzip
    /// The zlib format (RFC 1950). Raw DEFLATE (RFC 1951), which many clients send under this
    /// name, is read too, and never written.
    case deflate
    /// One or more Zstandard frames, skippable ones among them (RFC 8878).
    case zstd

    /// Reads the value of a `Content-Encoding` field or of a `compression` key, in any case and
    /// with blanks around it. An empty value and `none` mean ``identity``; `x-gzip` is gzip.
    ///
    /// Returns `nil` for what Sluice doesn't know and for a list of several codings: 415.
    public init?(_ value: some StringProtocol) {
        var name = value.drop(while: Self.isBlank)
        while let last = name.last, Self.isBlank(last) { name.removeLast() }
        guard name.utf8.count <= Self.nameBytesMax else { return nil }
        switch name.lowercased() {
        case "", "identity", "none": self = .identity
        case "gzip", "x-gzip": self = .gzip
        case "deflate": self = .deflate
        case "zstd": self = .zstd
        default: return nil
        }
    }

    /// The registered name, as it is sent.
    public var name: String {
        switch self {
        case .identity: "identity"
        case .gzip: "gzip"
        case .deflate: "deflate"
        case .zstd: "zstd"
        }
    }

    /// What the `Accept-Encoding` field of a 415 response says (RFC 9110, section 15.5.16).
    public static let supportedNames = "gzip, deflate, zstd"

    /// No known name is longer, so that a huge value is not lowercased first.
    private static let nameBytesMax = 16

    private static func isBlank(_ character: Character) -> Bool {
        character == " " || character == "\t"
    }
}
