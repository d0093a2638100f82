/// A range of bytes within a payload: offsets, not memory. Payloads stay under 4 GiB, so that an
/// index over a request of a hundred spans fits the first-level cache.
@frozen
public struct ByteRange: Hashable, Sendable {
    /// Offset of the first byte.
    public var start: UInt32
    /// Offset past the last byte.
    public var end: UInt32

    @inlinable
    public init(start: Int, end: Int) {
        precondition(start <= end, "BUG: a byte range ends before it starts")
        self.start = UInt32(truncatingIfNeeded: start)
        self.end = UInt32(truncatingIfNeeded: end)
    }

    /// A range of no bytes, at offset 0. Nothing on the wire has it: a tag stands before any value.
    @inlinable
    public static var none: ByteRange { ByteRange(start: 0, end: 0) }

    @inlinable public var lowerBound: Int { Int(start) }
    @inlinable public var upperBound: Int { Int(end) }
    @inlinable public var count: Int { Int(end) - Int(start) }
    @inlinable public var isEmpty: Bool { start == end }
}
