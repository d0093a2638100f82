import Configuration
import Pipeline
import Platform
import PostgresSchema

/// The settings of a `postgres` exporter.
public struct PostgresSettings: Sendable {
    /// What a commit waits for; see
    /// https://www.postgresql.org/docs/15/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT.
    enum SynchronousCommit: String, Sendable, CaseIterable {
        case on, off, local
        case remoteWrite = "remote_write"
        case remoteApply = "remote_apply"
    }

    /// What a client has sent again is not stored again.
    enum Deduplication: String, Sendable, CaseIterable {
        case none, spans
    }

    /// A URI or a keyword string of libpq. Empty leaves all to `PG*` variables.
    var connection = Secret("")
    var schema = "otel"
    /// Whether the exporter makes and migrates the schema, and keeps it.
    var appliesSchema = true
    /// Sessions that write, one lot each.
    var connectionCount = 2
    var connectTimeout = Duration.seconds(10)
    var timeouts = PostgresTimeouts()
    /// How long rows are kept, by what they are; nil leaves what the database has.
    var retention = Retention()
    /// Times further back than this are taken for wrong.
    var timeWindow = Duration.seconds(30 * 24 * 3600)
    var deduplication = Deduplication.none
    var seriesPerServiceMax = 100_000
    var operationsPerServiceMax = 1_000
    var maintenanceInterval = Duration.seconds(60)
    var delivery = PostgresSettings.standardDelivery()

    struct Retention: Sendable, Equatable {
        var traces: Duration?
        var logs: Duration?
        var metrics: Duration?
        var rollups: Duration?
    }

    /// What the database is to know of the settings, as a JSON object.
    var databaseSettings: String {
        let intervals = [
            ("retain_span", retention.traces), ("retain_log", retention.logs),
            ("retain_metric", retention.metrics), ("retain_rollup", retention.rollups),
        ]
        let members = intervals.compactMap { name, duration in
            duration.map { "\"\(name)\":\"\($0.nanoseconds / 1_000_000_000) seconds\"" }
        }
        return members.isEmpty ? "" : "{\(members.joined(separator: ","))}"
    }

    init(_ reader: inout MappingReader) {
        let text = reader.string("connection") ?? ""
        connection =
            Self.hasPasswordInItsPlace(text)
            ? Secret(text) : reader.secret("connection") ?? Secret("")
        if let problem = ConnectionOptions.problem(in: text) {
            reader.error(at: "connection", problem)
        }
        _ = reader.mapping("schema") { schema in
            self.schema = schema.string("name", default: self.schema)
            appliesSchema = schema.bool("apply", default: appliesSchema)
            if !PostgresSchema.accepts(schema: self.schema) {
                schema.error(
                    at: "name",
                    "expected up to 63 ASCII letters, digits and underscores, found "
                        + "'\(self.schema)'")
                self.schema = "otel"
            }
        }
        connectionCount = reader.int(
            "connections", default: connectionCount, in: 1...Self.connectionCountMax)
        deduplication = reader.oneOf("deduplicate", default: deduplication)
        readTimeouts(&reader)
        readLimits(&reader)
        var standard = Self.standardDelivery(connections: connectionCount)
        _ = reader.mapping("transaction") { standard.lots.readTransaction(&$0) }
        delivery = DeliverySettings(&reader, standard: standard)
    }

    private static let connectionCountMax = 64

    /// Whether it is a URI whose password, if any, is where whoever prints URIs masks it: between
    /// the user and the last `@` before the path. Of all others nothing can be shown.
    private static func hasPasswordInItsPlace(_ text: String) -> Bool {
        guard let scheme = ["postgresql://", "postgres://"].first(where: text.hasPrefix) else {
            return false
        }
        let rest = text.dropFirst(scheme.count).drop { !"/?#".contains($0) }.lowercased()
        return !rest.contains("@") && !rest.contains("%")
            && !rest.indices.contains { rest[$0...].hasPrefix("password") }
    }

    private mutating func readTimeouts(_ reader: inout MappingReader) {
        let range = Duration.milliseconds(100)...Duration.seconds(3600)
        connectTimeout = reader.duration("connect_timeout", default: connectTimeout, in: range)
        timeouts.statement = reader.duration(
            "statement_timeout", default: timeouts.statement, in: range)
        timeouts.lock = reader.duration("lock_timeout", default: timeouts.lock, in: range)
        timeouts.synchronousCommit = reader.oneOf(
            "synchronous_commit", default: timeouts.synchronousCommit)
        if timeouts.synchronousCommit == .off {
            reader.warning(
                at: "synchronous_commit",
                "a crash of the server can undo the last commits, which are then not sent again")
        }
        timeouts.directCompress = reader.bool("direct_compress", default: false)
    }

    private mutating func readLimits(_ reader: inout MappingReader) {
        _ = reader.mapping("retention") { retention in
            // Whole days go at once.
            let range = Duration.seconds(24 * 3600)...Duration.seconds(100 * 365 * 24 * 3600)
            self.retention.traces = retention.duration("traces", in: range)
            self.retention.logs = retention.duration("logs", in: range)
            self.retention.metrics = retention.duration("metrics", in: range)
            self.retention.rollups = retention.duration("rollups", in: range)
        }
        timeWindow = reader.duration(
            "time_window", default: timeWindow,
            in: .seconds(3600)...Duration.seconds(10 * 365 * 24 * 3600))
        maintenanceInterval = reader.duration(
            "maintenance_interval", default: maintenanceInterval,
            in: .seconds(1)...Duration.seconds(3600))
        _ = reader.mapping("cardinality") { limits in
            seriesPerServiceMax = limits.int(
                "series_per_service", default: seriesPerServiceMax, in: 1...10_000_000)
            operationsPerServiceMax = limits.int(
                "operations_per_service", default: operationsPerServiceMax, in: 1...1_000_000)
        }
    }

    /// One consumer more than sessions: it makes the next lot's rows while the server takes the
    /// others'. Lots gather whatever waits; at low load what comes can be queried a moment later.
    /// Each pays for a commit, which small rows feel most, so that these come by more; the bytes
    /// bound what lots hold in memory.
    private static func standardDelivery(connections: Int = 2) -> DeliverySettings {
        var delivery = DeliverySettings()
        delivery.consumerCount = connections + 1
        delivery.lots = LotLimits(
            itemsMin: 10_000, waitMax: .milliseconds(200), itemsMax: 20_000, bytesMax: 6 << 20,
            batchesMax: 1_000, mixesSignals: true)
        delivery.retry.initialInterval = .seconds(1)
        return delivery
    }
}
