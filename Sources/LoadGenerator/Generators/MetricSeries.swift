import Bytes

/// What one series has counted so far. Each collection advances it.
struct MetricSeries {
    /// Bounds in seconds, those of the HTTP conventions.
    static let bounds = [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    static let exponentialScale: Int64 = 3
    /// 2^(offset/8): buckets reach from 1/1024 s to 4 s.
    static let exponentialOffset: Int64 = -80
    static let exponentialBucketCount = 96

    private(set) var count: UInt64 = 0
    private(set) var sum = 0.0
    private(set) var minimum = Double.infinity
    private(set) var maximum = 0.0
    /// A level that wanders between 0 and 1.
    private(set) var level = 0.3
    private(set) var bucketCounts = [UInt64](repeating: 0, count: bounds.count + 1)
    private(set) var exponentialCounts = [UInt64](repeating: 0, count: exponentialBucketCount)
    /// What the last collection added, for series that report differences.
    private(set) var lastCount: UInt64 = 0
    private(set) var lastSum = 0.0
    /// The last value observed, for exemplars.
    private(set) var lastValue = 0.0

    /// Observes a few requests, as the time between two collections would bring.
    mutating func advance(_ random: inout LoadRandom, _ latency: LatencyDistribution) {
        lastCount = UInt64(1 + random.below(8))
        lastSum = 0
        for _ in 0..<lastCount {
            let nanoseconds = latency.nanoseconds(25_000, &random)
            observe(Double(nanoseconds) / 1e9)
        }
        level = min(max(level + (random.unit() - 0.5) * 0.08, 0), 1)
    }

    private mutating func observe(_ seconds: Double) {
        count += 1
        sum += seconds
        lastSum += seconds
        lastValue = seconds
        minimum = min(minimum, seconds)
        maximum = max(maximum, seconds)
        let index = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        bucketCounts[index] += 1
        exponentialCounts[Self.exponentialIndex(of: seconds)] += 1
    }

    /// Bucket i of scale s holds (2^(i/2^s), 2^((i+1)/2^s)]; what is outside goes to the ends.
    private static func exponentialIndex(of seconds: Double) -> Int {
        guard seconds > 0 else { return 0 }
        // Eighths of an octave, from the exponent and a table of the significand's bounds.
        var eighth = Int64(seconds.exponent) << exponentialScale
        eighth += Int64(eighths.lastIndex { seconds.significand > $0 } ?? -1)
        return Int(min(max(eighth - exponentialOffset, 0), Int64(exponentialBucketCount) - 1))
    }

    /// 2^(i/8) for i in 0..<8.
    private static let eighths = [
        1, 1.090_507_732_665_257_7, 1.189_207_115_002_721, 1.296_839_554_651_009_6,
        1.414_213_562_373_095_1, 1.542_210_825_407_940_8, 1.681_792_830_507_429,
        1.834_008_086_409_342_4,
    ]
}
