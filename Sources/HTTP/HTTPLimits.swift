/// What a request may cost before it is believed. All are inclusive.
@frozen public struct HTTPLimits: Hashable, Sendable {
    /// The request line, without its line end: beyond it 414.
    public var requestLineBytesMax = 8 << 10
    /// All of the head with its line ends, and again all trailers: beyond it 431. Go's default is
    /// 1 MiB; what OTLP clients send is below 2 KiB, and each byte is held per connection.
    public var headBytesMax = 64 << 10
    /// Header fields, and again trailer fields: beyond it 431.
    public var headerCountMax = 100
    /// A method longer than this is none that anybody knows: 501.
    public var methodBytesMax = 32
    /// Bytes of chunk extensions over all of a body's chunks: beyond it 400.
    public var chunkExtensionBytesMax = 4 << 10
    /// Of a body nobody wants (its request was refused), so many bytes are read and thrown away to
    /// keep the connection; a longer one ends it.
    public var skippedBodyBytesMax = 64 << 10

    public init() {}
}
