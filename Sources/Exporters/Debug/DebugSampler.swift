import Platform

/// Bounds what is printed: the first batches of each second, then every so-manieth.
struct DebugSampler {
    enum Verdict: Equatable {
        /// - Parameter suppressedCount: batches that were left out since the last one printed.
        case print(suppressedCount: Int)
        case suppress
    }

    let initial: Int
    let thereafter: Int
    private var windowStart: Instant?
    private var countInWindow = 0
    private var suppressedCount = 0

    static let window = Duration.seconds(1)

    init(initial: Int, thereafter: Int) {
        self.initial = initial
        self.thereafter = thereafter
    }

    mutating func admit(at now: Instant) -> Verdict {
        if windowStart.map({ now - $0 >= Self.window }) ?? true {
            windowStart = now
            countInWindow = 0
        }
        countInWindow += 1
        let later = countInWindow - initial
        guard later <= 0 || (thereafter > 0 && later % thereafter == 0) else {
            suppressedCount += 1
            return .suppress
        }
        defer { suppressedCount = 0 }
        return .print(suppressedCount: suppressedCount)
    }
}
