import Telemetry

/// What a `sqlite` exporter counts beside what every exporter does.
struct SQLiteMetrics: Sendable {
    let usedBytes: Gauge
    let walPages: Gauge
    private let deletedByAge: Counter
    private let deletedBySize: Counter
    private let clamped: Counter

    init(_ registry: MetricRegistry, exporter: String) {
        usedBytes = registry.gauge(
            "sluice_sqlite_used", help: "Size of the rows and indexes in the file.", unit: .bytes,
            labels: ["exporter"]
        ).with(exporter)
        walPages = registry.gauge(
            "sluice_sqlite_wal_pages", help: "Pages in the write-ahead log after the last commit.",
            labels: ["exporter"]
        ).with(exporter)
        let deleted = registry.counter(
            "sluice_sqlite_deleted_rows", help: "Rows deleted by retention.",
            labels: ["exporter", "reason"])
        deletedByAge = deleted.with(exporter, "max_age")
        deletedBySize = deleted.with(exporter, "max_size")
        clamped = registry.counter(
            "sluice_sqlite_clamped_values",
            help: "Times and counts over 2^63 - 1, which is what was stored in their place.",
            labels: ["exporter"]
        ).with(exporter)
    }

    func note(_ tally: SQLiteStore.Tally) {
        deletedByAge.add(tally.deletedByAge)
        deletedBySize.add(tally.deletedBySize)
        clamped.add(tally.clamped)
    }
}
