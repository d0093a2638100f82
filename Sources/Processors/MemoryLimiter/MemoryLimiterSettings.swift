import Configuration

public struct MemoryLimiterSettings: Sendable, Equatable {
    /// In bytes, or as a share of what the process may use.
    enum Amount: Sendable, Equatable {
        case bytes(Int)
        case percentage(Int)

        func bytes(ofTotal total: Int) -> Int {
            switch self {
            case .bytes(let bytes): bytes
            case .percentage(let percentage): total / 100 * percentage
            }
        }
    }

    var checkInterval: Duration
    /// The hard limit.
    var limit: Amount
    /// How far below the hard limit refusing starts.
    var spike: Amount

    private static let mebibyte = 1 << 20
    private static let mebibytesMax = 1 << 30

    init(checkInterval: Duration, limit: Amount, spike: Amount) {
        self.checkInterval = checkInterval
        self.limit = limit
        self.spike = spike
    }

    init(_ reader: inout MappingReader) {
        let interval = reader.duration("check_interval")
        checkInterval = interval ?? .seconds(1)
        if interval == .zero {
            reader.error(at: "check_interval", "must be above zero, for example 1s")
        }
        // A value that is wrong is there, so that nothing is missing.
        let limitIsWrong = Self.isWrong("limit_mib", in: 0...Self.mebibytesMax, &reader)
        let percentageIsWrong = Self.isWrong("limit_percentage", in: 0...100, &reader)
        let mebibytes = limitIsWrong ? 0 : reader.int("limit_mib") ?? 0
        let percentage = percentageIsWrong ? 0 : reader.int("limit_percentage") ?? 0
        let spikeMebibytes = reader.int("spike_limit_mib", in: 0...Self.mebibytesMax) ?? 0
        let spikePercentage = reader.int("spike_limit_percentage", in: 0...100) ?? 0
        reader.ignored(
            "min_gc_interval_when_soft_limited", "min_gc_interval_when_hard_limited",
            "max_gc_interval_when_soft_limited", "max_gc_interval_when_hard_limited",
            because: "there is no garbage collector")
        if mebibytes > 0 {
            // As in the Collector the fixed limit goes before the percentage.
            limit = .bytes(mebibytes * Self.mebibyte)
            spike =
                spikeMebibytes > 0
                ? .bytes(spikeMebibytes * Self.mebibyte) : .bytes(mebibytes * Self.mebibyte / 5)
            if spikeMebibytes >= mebibytes {
                reader.error(at: "spike_limit_mib", "must be below limit_mib (\(mebibytes))")
            }
        } else if percentage > 0 {
            limit = .percentage(percentage)
            // A fifth, in whole percents.
            spike = .percentage(spikePercentage > 0 ? spikePercentage : max(1, percentage / 5))
            if spikePercentage >= percentage || percentage == 1 {
                reader.error(
                    at: "spike_limit_percentage", "must be below limit_percentage (\(percentage))")
            }
        } else {
            limit = .bytes(.max)
            spike = .bytes(0)
            if !limitIsWrong, !percentageIsWrong {
                reader.miss(nil, "needs limit_mib or limit_percentage above 0")
            }
        }
    }

    /// Whether the key has a value that was reported.
    private static func isWrong(
        _ key: String, in range: ClosedRange<Int>, _ reader: inout MappingReader
    ) -> Bool {
        reader.int(key, in: range) == nil && reader.isGiven(key)
    }
}
