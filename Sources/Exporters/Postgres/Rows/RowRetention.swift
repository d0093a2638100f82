/// How long the database keeps rows, as far as this gateway knows.
struct RowRetention: Sendable, Equatable {
    /// Seconds; 0: for ever, or not known.
    var spans: UInt64 = 0
    var logs: UInt64 = 0
    var metrics: UInt64 = 0

    private static let day: UInt64 = 86_400_000_000_000

    /// Unix nanoseconds. Whole UTC days go: a day of which anything is to be kept stays.
    func keptFrom(_ table: FactTable, now: UInt64) -> UInt64 {
        let seconds =
            switch table {
            case .span: spans
            case .log: logs
            case .metricNumber, .metricHistogram, .metricExponentialHistogram, .metricSummary:
                metrics
            }
        let (nanoseconds, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard seconds > 0, !isOver, nanoseconds < now else { return 0 }
        return (now - nanoseconds) / Self.day * Self.day
    }
}
