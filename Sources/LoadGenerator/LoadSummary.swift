public import OTLP
import Platform

/// What a run has sent, and what became of it. Every item that was generated is in exactly one of
/// the four counts.
public struct LoadSummary: Sendable {
    public let signal: Signal
    /// Items that the server took.
    public internal(set) var acceptedItems = 0
    /// Items that the server turned down alone, by partial success.
    public internal(set) var rejectedItems = 0
    /// Items of requests that were answered with an error that is not worth another try.
    public internal(set) var failedItems = 0
    /// Items of requests that were still being tried when time was up.
    public internal(set) var unsentItems = 0
    /// Requests that were answered, and how often each status came.
    public internal(set) var statuses: [Int: Int] = [:]
    /// Attempts without an answer, by what went wrong.
    public internal(set) var failures: [String: Int] = [:]
    /// Attempts after the first.
    public internal(set) var retries = 0
    /// Bodies as sent, in bytes: encoded and compressed.
    public internal(set) var sentBytes = 0
    /// From a request's first byte to its answer, successes only.
    public internal(set) var latency = LatencyHistogram()
    public internal(set) var elapsed = Duration.zero

    init(_ signal: Signal) {
        self.signal = signal
    }

    /// What went wrong is told in so many ways; what is beyond is one more, `other`.
    static let failureKindsMax = 16

    /// Whether everything generated arrived and was taken.
    public var isComplete: Bool { rejectedItems + failedItems + unsentItems == 0 }

    mutating func countFailure(_ text: String, times count: Int = 1) {
        let isKnown = failures[text] != nil || failures.count < Self.failureKindsMax
        failures[isKnown ? text : "other", default: 0] += count
    }

    mutating func add(_ other: LoadSummary) {
        acceptedItems += other.acceptedItems
        rejectedItems += other.rejectedItems
        failedItems += other.failedItems
        unsentItems += other.unsentItems
        retries += other.retries
        sentBytes += other.sentBytes
        latency.add(other.latency)
        statuses.merge(other.statuses, uniquingKeysWith: +)
        for (text, count) in other.failures { countFailure(text, times: count) }
    }
}

extension LoadSummary: CustomStringConvertible {
    /// The last line of `sluice generate`.
    public var description: String {
        let seconds = max(elapsed.seconds, 1e-9)
        let noun = signal.itemNoun.split(separator: "_").joined(separator: " ")
        var parts = [
            "sent \(acceptedItems) \(noun) in \(Self.decimal(seconds)) s"
                + " (\(Int(Double(acceptedItems) / seconds)) a second)",
            "rejected \(rejectedItems)", "failed \(failedItems)", "unsent \(unsentItems)",
        ]
        if let median = latency.quantile(0.5), let slow = latency.quantile(0.99) {
            parts.append(
                "latency p50 \(Self.decimal(median.seconds * 1e3)) ms"
                    + ", p99 \(Self.decimal(slow.seconds * 1e3)) ms")
        }
        parts.append("\(Self.decimal(Double(sentBytes) / 1e6)) MB")
        if retries > 0 { parts.append("retries \(retries)") }
        for (status, count) in statuses.sorted(by: { $0.key < $1.key }) {
            parts.append("status \(status): \(count)")
        }
        for (text, count) in failures.sorted(by: { $0.key < $1.key }) {
            parts.append("\(text): \(count)")
        }
        return parts.joined(separator: "; ")
    }

    /// With two decimals.
    private static func decimal(_ number: Double) -> String {
        let hundredths = Int((number * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
