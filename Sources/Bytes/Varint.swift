/// Base-128 varints, as protobuf writes them: seven bits a byte, least significant first.
public enum Varint {
    /// The longest encoding of a 64-bit value, in bytes.
    public static let bytesMax = 10

    /// The number of bytes that the shortest encoding of `value` takes: 1 to 10.
    @inlinable
    public static func size(_ value: UInt64) -> Int {
        // ceil(bits / 7) without a division: (bits * 9 + 64) / 64 for bits in 1...64.
        ((64 - (value | 1).leadingZeroBitCount) * 9 + 64) >> 6
    }

    @inlinable
    public static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
