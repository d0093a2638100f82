import Telemetry

/// What a `postgres` exporter counts beside what every exporter does.
struct PostgresMetrics: Sendable {
    let transactions: Counter
    let sessionsLost: Counter
    let maintenanceFailures: Counter
    private let rows: MetricFamily<Counter>
    private let values: MetricFamily<Counter>
    private let folded: MetricFamily<Counter>
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

    func note(_ folded: Cardinality.Folded) {
        self.folded.with(exporter, folded.kind.rawValue, folded.service).add(folded.count)
    }

    func note(changed count: Int, _ change: String) {
        if count > 0 { values.with(exporter, change).add(count) }
    }
}
