/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): a
/// counter put through a bijection. Small, fast, and the same everywhere for the same seed.
struct LoadRandom: RandomNumberGenerator {
    private static let step: UInt64 = 0x9e37_79b9_7f4a_7c15
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= Self.step
        return Self.mix(state)
    }

    /// A number in `0..<bound`; the bias of one part in 2^32 does not matter here.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }

    /// True in so many of a thousand cases.
    mutating func chance(permille: Int) -> Bool { below(1_000) < permille }

    /// Uniform in `0..<1`.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// About normal, mean 0 and deviation 1: the sum of four uniform parts of one draw.
    mutating func normal() -> Double {
        let bits = next()
        let sum =
            (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48)
        return (Double(sum) - 131_070) / 37_837.2
    }

    /// A bijection on 64 bits: different inputs give different outputs.
    static func mix(_ input: UInt64) -> UInt64 {
        var mixed = input
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
