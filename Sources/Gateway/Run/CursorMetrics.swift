import DurableLog
import Platform
import Synchronization
import Telemetry

/// The metrics of each exporter's place in each log. They come and go with the cursors.
final class CursorMetrics: Sendable {
    private struct Series: Hashable {
        var pipeline: String
        var exporter: String
    }

    private let lagItems: MetricFamily<Observable>
    private let lagBytes: MetricFamily<Observable>
    private let lagSeconds: MetricFamily<Observable>
    private let untilFull: MetricFamily<Observable>
    private let shown = Mutex<Set<Series>>([])

    init(_ metrics: MetricRegistry) {
        let labels = ["pipeline", "exporter"]
        lagItems = metrics.observableGauge(
            "sluice_cursor_lag_items", help: "Items of a log that an exporter is not done with.",
            labels: labels)
        lagBytes = metrics.observableGauge(
            "sluice_cursor_lag_bytes", help: "Payload bytes that an exporter is not done with.",
            labels: labels)
        lagSeconds = metrics.observableGauge(
            "sluice_cursor_lag_seconds",
            help: "Age of the oldest request that an exporter is not done with.", labels: labels)
        untilFull = metrics.observableGauge(
            "sluice_cursor_seconds_until_full",
            help: "When this exporter's lag fills the log, as it grew in the last minute.",
            labels: labels)
    }

    /// - Parameter secondsUntilFull: of a cursor; infinite where it does not grow.
    func show(
        _ cursors: [(log: DurableLog, cursor: String, exporter: String)], clock: any Clock,
        secondsUntilFull: @escaping @Sendable (DurableLog, CursorAccount) -> Double?
    ) {
        var now: Set<Series> = []
        for (log, cursor, exporter) in cursors {
            now.insert(Series(pipeline: log.name, exporter: exporter))
            let account: @Sendable () -> CursorAccount? = {
                log.accounts.cursors.first { $0.name == cursor }
            }
            lagItems.with(log.name, exporter).observe { Double(account()?.pending.items ?? 0) }
            lagBytes.with(log.name, exporter).observe { Double(account()?.pending.bytes ?? 0) }
            lagSeconds.with(log.name, exporter).observe {
                account()?.lagSeconds(at: clock.unixNanoseconds) ?? 0
            }
            untilFull.with(log.name, exporter).observe {
                account().flatMap { secondsUntilFull(log, $0) } ?? .infinity
            }
        }
        let gone = shown.withLock { shown in
            defer { shown = now }
            return shown.subtracting(now)
        }
        for series in gone {
            for family in [lagItems, lagBytes, lagSeconds, untilFull] {
                family.remove(series.pipeline, series.exporter)
            }
        }
    }
}

extension CursorAccount {
    func lagSeconds(at now: UInt64) -> Double {
        oldestReceivedAt.map { Double(now - min($0, now)) / 1e9 } ?? 0
    }
}
