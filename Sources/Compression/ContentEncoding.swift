/// How a body is encoded on the wire: the codings of the `Content-Encoding` field
/// (RFC 9110, section 8.4.1) that Sluice reads and writes, under the names that the Collector's
/// `confighttp` gives them.
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
    /// The same format as ``deflate``, under the name that the Collector's clients give it.
    case zlib
    /// One block of snappy. The framing format, which the Collector's clients sent under this name
    /// until 0.123, is read too: a block cannot begin like it.
    case snappy
    /// Snappy's framing format.
    case snappyFramed
    /// One or more LZ4 frames, skippable ones among them.
    case lz4

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
        case "zlib": self = .zlib
        case "snappy": self = .snappy
        case "x-snappy-framed": self = .snappyFramed
        case "lz4": self = .lz4
        default: return nil
        }
    }

    /// The name that is sent. `snappy`, `x-snappy-framed`, `lz4` and `zlib` are not registered;
    /// they are the Collector's.
    public var name: String {
        switch self {
        case .identity: "identity"
        case .gzip: "gzip"
        case .deflate: "deflate"
        case .zstd: "zstd"
        case .zlib: "zlib"
        case .snappy: "snappy"
        case .snappyFramed: "x-snappy-framed"
        case .lz4: "lz4"
        }
    }

    /// What the `Accept-Encoding` field of a 415 response says (RFC 9110, section 15.5.16).
    public static let supportedNames =
        "gzip, zstd, zlib, deflate, snappy, x-snappy-framed, lz4"

    /// No known name is longer, so that a huge value is not lowercased first.
    private static let nameBytesMax = 16

    private static func isBlank(_ character: Character) -> Bool {
        character == " " || character == "\t"
    }
}
