import Glibc

/// Latencies as services have them: a log-normal body, and a tail that is slow for reasons of its
/// own (a lock, a cold cache). A table, since a draw a span must cost next to nothing.
struct LatencyDistribution {
    private static let sizeLog2 = 10
    /// Factors on the mean, in no order.
    private let factors: [Double]

    init(deviation: Double = 0.45, slowPermille: Int = 15) {
        // Not the run's seed: the shape is a property of the shop, not of a run.
        var random = LoadRandom(seed: 7)
        factors = (0..<(1 << Self.sizeLog2)).map { _ in
            let body = exp(deviation * random.normal())
            return random.chance(permille: slowPermille) ? body * (4 + 12 * random.unit()) : body
        }
    }

    /// Nanoseconds around `meanMicroseconds`.
    func nanoseconds(_ meanMicroseconds: Double, _ random: inout LoadRandom) -> UInt64 {
        let index = Int(truncatingIfNeeded: random.next() >> UInt64(64 - Self.sizeLog2))
        return UInt64(meanMicroseconds * 1_000 * factors[index])
    }
}
