internal import CShims

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum that processors compute by themselves.
public struct CRC32C: Sendable {
    private var register: UInt32 = .max

    public init() {}

    /// Of all bytes so far.
    public var value: UInt32 { ~register }

    public mutating func update(_ bytes: RawSpan) {
        guard Self.isInHardware else { return register = Self.slow(register, bytes) }
        // SAFETY: the C function reads `count` bytes from the span's start, which outlives it.
        register = unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return register }
            return unsafe sluice_crc32c(
                register, start.assumingMemoryBound(to: UInt8.self), bytes.count)
        }
    }

    public mutating func update(_ bytes: [UInt8]) { update(bytes.rawSpan) }

    /// Eight bytes, little-endian.
    public mutating func update(_ integer: UInt64) {
        var bytes = integer.littleEndian
        // SAFETY: an integer's own eight bytes, for the length of the call.
        unsafe withUnsafeBytes(of: &bytes) { unsafe update($0.bytes) }
    }

    private static let isInHardware = sluice_has_crc32c() != 0

    /// For processors without the instruction: a byte at a time, by a table.
    static func slow(_ start: UInt32, _ bytes: RawSpan) -> UInt32 {
        var register = start
        for offset in bytes.byteOffsets {
            let byte = UInt8(truncatingIfNeeded: register) ^ bytes.byte(at: offset)
            register = register >> 8 ^ table[Int(byte)]
        }
        return register
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78
        }
    }
}
