/// FNV-1a with 64 bits, to tell short texts apart where nobody makes a collision on purpose. The
/// same in every process and version, so that it may be kept in files. Source:
/// https://datatracker.ietf.org/doc/html/draft-eastlake-fnv.
public struct FNV1a: Sendable {
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    public init(_ bytes: some Sequence<UInt8> = EmptyCollection()) { combine(bytes) }

    public mutating func combine(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    }
}
