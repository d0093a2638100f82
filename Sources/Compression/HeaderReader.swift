import Bytes

/// Little-endian integers one after the other, to the end of the bytes.
struct HeaderReader: ~Escapable {
    let bytes: RawSpan
    private(set) var offset = 0

    @_lifetime(copy bytes)
    init(bytes: RawSpan) { self.bytes = bytes }

    mutating func integer(bytes count: Int) throws(DecompressionError) -> UInt64 {
        let start = offset
        try skip(UInt64(count))
        return (0..<count).reduce(0) { $0 | UInt64(bytes.byte(at: start + $1)) << (8 * $1) }
    }

    /// The integer that the bytes begin with, as far as they go, and a mask of what is known of it:
    /// bytes that are cut short inside a magic number are not yet wrong.
    func beginning(bytes count: Int) -> (integer: UInt64, known: UInt64) {
        (0..<min(bytes.byteCount, count)).reduce(into: (0, 0)) { result, index in
            result.integer |= UInt64(bytes.byte(at: index)) << (8 * index)
            result.known |= 0xFF << (8 * index)
        }
    }

    var isAtEnd: Bool { offset == bytes.byteCount }

    mutating func skip(_ count: UInt64) throws(DecompressionError) {
        guard count <= UInt64(bytes.byteCount - offset) else { throw .truncated }
        offset += Int(count)
    }
}
