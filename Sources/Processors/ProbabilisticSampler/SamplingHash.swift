import Bytes
import OTLP

/// The hash of mode `hash_seed`: FNV-1a, 32 bits, over the seed and then the bytes. 14 bits of it
/// decide. Kept as the Collector has it, so that gateways of both kinds keep the same traces.
struct SamplingHash: Sendable {
    private static let prime: UInt32 = 16_777_619
    private static let offsetBasis: UInt32 = 2_166_136_261
    static let bucketBits: UInt64 = 14
    static let buckets: UInt32 = 1 << 14

    /// After the seed's four bytes, least significant first.
    private let start: UInt32

    init(seed: UInt32) {
        var hash = Self.offsetBasis
        for shift in [0, 8, 16, 24] as [UInt32] {
            hash = (hash ^ (seed >> shift & 0xFF)) &* Self.prime
        }
        start = hash
    }

    func hash(_ bytes: RawSpan, _ range: ByteRange) -> UInt32 {
        var hash = start
        for offset in range.lowerBound..<range.upperBound {
            hash = (hash ^ UInt32(bytes.byte(at: offset))) &* Self.prime
        }
        return hash
    }

    /// 56 bits that OTEP 235's comparison decides on as the old one did on 14: "hash below rate"
    /// turned around, then the bits that were not used, then the hash.
    func randomness(_ bytes: RawSpan, _ range: ByteRange) -> SamplingRandomness {
        let hash = self.hash(bytes, range)
        let bucket = UInt64(hash & (Self.buckets - 1))
        let reversed = UInt64(Self.buckets) - 1 - bucket
        let unused = UInt64(hash >> 18)
        let mixed = (unused ^ unused << 10) & 0xFFF_FFFF
        return SamplingRandomness(value: reversed << 42 | mixed << 14 | bucket)
    }

    /// The rate in single precision and rounded down, as it always was; nil where nothing is kept.
    static func threshold(percentage: Float) -> SamplingThreshold? {
        let accepted = UInt32(percentage * (Float(buckets) / 100))
        guard accepted > 0 else { return nil }
        return SamplingThreshold(rejected: UInt64(buckets - accepted) << (56 - bucketBits))
    }
}
