import Telemetry

/// What a `postgres` exporter counts beside what every exporter does.
struct PostgresMetrics: Sendable {
    let transactions: Counter
    let sessionsLost: Counter
    let maintenanceFailures: Counter
    let failingSteps: Gauge
    let shortenedRetentions: Counter
    private let rows: MetricFamily<Counter>
    private let values: MetricFamily<Counter>
    private let folded: MetricFamily<Counter>
    private let expired: MetricFamily<Counter>
    private let purged: MetricFamily<Counter>
    private let dropped: MetricFamily<Counter>
    private let exporter: String

    init(_ registry: MetricRegistry, exporter: String) {
        self.exporter = exporter
        transactions = registry.counter(
            "sluice_postgres_transactions", help: "Transactions with rows that were committed.",
            labels: ["exporter"]
        ).with(exporter)
        sessionsLost = registry.counter(
            "sluice_postgres_sessions_lost",
            help: "Sessions that ended with a transaction whose end was unknown.",
            labels: ["exporter"]
        ).with(exporter)
        maintenanceFailures = registry.counter(
            "sluice_postgres_maintenance_failures",
            help: "Steps of the schema's upkeep that failed; the next run tries again.",
            labels: ["exporter"]
        ).with(exporter)
        failingSteps = registry.gauge(
            "sluice_postgres_failing_steps",
            help: "Steps of the schema's upkeep that failed when they were last done.",
            labels: ["exporter"]
        ).with(exporter)
        shortenedRetentions = registry.counter(
            "sluice_postgres_shortened_retentions",
            help: "Retentions that this gateway's configuration has made shorter.",
            labels: ["exporter"]
        ).with(exporter)
        expired = registry.counter(
            "sluice_postgres_expired_rows",
            help: "Rows that were older than their retention when they came: upkeep drops them.",
            labels: ["exporter", "table"])
        purged = registry.counter(
            "sluice_postgres_purged_rows",
            help: "Rows that this gateway's upkeep has purged as over their time.",
            labels: ["exporter", "table"])
        dropped = registry.counter(
            "sluice_postgres_dropped_partitions",
            help: "Days, as partitions or chunks, that this gateway's upkeep has dropped.",
            labels: ["exporter", "table"])
        rows = registry.counter(
            "sluice_postgres_rows", help: "Rows that were committed.",
            labels: ["exporter", "table"])
        values = registry.counter(
            "sluice_postgres_changed_values",
            help: "Values that PostgreSQL cannot hold as they were sent, by what became of them.",
            labels: ["exporter", "change"])
        folded = registry.counter(
            "sluice_postgres_folded_items",
            help: "Data points and spans of a service with too many series or operations.",
            labels: ["exporter", "kind", "service"])
    }

    func note(rows count: Int, of table: String) {
        if count > 0 { rows.with(exporter, table).add(count) }
    }

    func note(expired count: Int, of table: String) {
        if count > 0 { expired.with(exporter, table).add(count) }
    }

    func note(_ drop: UpkeepDrop) {
        let family = drop.what == .rows ? purged : dropped
        family.with(exporter, drop.table).add(drop.count)
    }

    func note(_ folded: Cardinality.Folded) {
        self.folded.with(exporter, folded.kind.rawValue, folded.service).add(folded.count)
    }

    func note(changed count: Int, _ change: String) {
        if count > 0 { values.with(exporter, change).add(count) }
    }
}
