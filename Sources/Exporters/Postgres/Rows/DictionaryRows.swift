import Bytes
import OTLP

/// Rows of one dictionary that the database may not have, and the statement that writes them.
///
/// Each column is one parameter, an array in binary form, so that a statement takes any number of
/// rows; they are sorted by id, so that two gateways never wait for each other in a circle.
struct DictionaryRows: ~Copyable {
    let table: DictionaryTable
    /// One tuple a row, of the table's columns.
    var tuple = TupleBuffer()
    private var rows: [Row] = []
    /// Names that an index could not hold whole.
    private var cutNameCount = 0

    private struct Row {
        let id: Int64
        let start: Int
    }

    init(_ table: DictionaryTable) { self.table = table }

    var count: Int { rows.count }

    mutating func takeCutNameCount() -> Int {
        defer { cutNameCount = 0 }
        return cutNameCount
    }

    mutating func removeAll() {
        tuple.removeAll(keptBytesMax: 1 << 20)
        rows.removeAll(keepingCapacity: true)
    }

    /// Begins the row; the caller then writes its other fields.
    mutating func begin(_ id: Int64) {
        rows.append(Row(id: id, start: tuple.count))
        tuple.begin(fieldCount: table.columns.count)
        tuple.int8(id)
    }

    /// Nil where there are none.
    func insert() -> DictionaryInsert? {
        guard !rows.isEmpty else { return nil }
        let sorted = rows.sorted { $0.id < $1.id }
        // Past each tuple's number of fields.
        var offsets = sorted.map { $0.start + 2 }
        let bytes = tuple.written
        let parameters = table.columns.map { column in
            var parameter = OutputBuffer(capacity: 24 + 16 * sorted.count)
            // array_recv: see `TupleBuffer`.
            parameter.append(bigEndian: UInt32(1))
            parameter.append(bigEndian: UInt32(1))
            parameter.append(bigEndian: column.type.oid)
            parameter.append(bigEndian: UInt32(sorted.count))
            parameter.append(bigEndian: UInt32(1))
            for index in offsets.indices {
                let start = offsets[index]
                let length = Int32(bitPattern: bytes.littleEndian32(at: start).byteSwapped)
                let end = start + 4 + max(0, Int(length))
                parameter.append(bytes, from: start, to: end)
                offsets[index] = end
            }
            return parameter.written.array(ByteRange(start: 0, end: parameter.count))
        }
        return DictionaryInsert(table: table, ids: sorted.map(\.id), parameters: parameters)
    }
}

/// One execution of a dictionary's `insertStatement`.
struct DictionaryInsert: Sendable {
    let table: DictionaryTable
    /// For `KnownRows.add`, after the commit.
    let ids: [Int64]
    /// In binary form, one for each of the table's columns.
    let parameters: [[UInt8]]

    var sql: String { table.insertStatement }
    /// The types of the parameters.
    var parameterTypes: [UInt32] { table.columns.map(\.type.arrayOID) }
}

enum DictionaryTable: CaseIterable, Sendable {
    case resource
    case scope
    case metricSeries

    /// The types of columns, with the OIDs of src/include/catalog/pg_type.dat.
    enum ColumnType: String, Sendable {
        case bool
        case int8
        case int2
        case text
        case jsonb

        var oid: UInt32 {
            switch self {
            case .bool: 16
            case .int8: 20
            case .int2: 21
            case .text: 25
            case .jsonb: 3802
            }
        }

        var arrayOID: UInt32 {
            switch self {
            case .bool: 1000
            case .int8: 1016
            case .int2: 1005
            case .text: 1009
            case .jsonb: 3807
            }
        }
    }

    struct Column: Sendable {
        let name: String
        let type: ColumnType
        /// What the column's type is cast to, where that is another one: an array of arrays of
        /// different lengths can't be sent.
        var cast: String?
    }

    var name: String {
        switch self {
        case .resource: "resource"
        case .scope: "scope"
        case .metricSeries: "metric_series"
        }
    }

    /// In the order of the parameters; the first is the key.
    var columns: [Column] {
        switch self {
        case .resource: Self.resourceColumns
        case .scope: Self.scopeColumns
        case .metricSeries: Self.seriesColumns
        }
    }

    /// A row that is there gets a new `last_seen` when that is older than gateways remember rows
    /// for; two that write it at once do so once.
    var insertStatement: String {
        let names = columns.map(\.name).joined(separator: ", ")
        let values = columns.map { column in
            column.cast.map { "\(column.name)::\($0)" } ?? column.name
        }.joined(separator: ", ")
        let parameters = columns.indices.map { "$\($0 + 1)::\(columns[$0].type.rawValue)[]" }
            .joined(separator: ", ")
        return """
            INSERT INTO @schema@.\(name) AS known (\(names))
            SELECT \(values) FROM unnest(\(parameters)) AS new (\(names))
            ON CONFLICT (\(columns[0].name)) DO UPDATE SET last_seen = now()
            WHERE known.last_seen < now() - interval '50 minutes'
            """
    }

    private static let resourceColumns = [
        Column(name: "resource_id", type: .int8), Column(name: "service_name", type: .text),
        Column(name: "service_namespace", type: .text),
        Column(name: "service_instance_id", type: .text),
        Column(name: "schema_url", type: .text), Column(name: "dropped_attributes", type: .int8),
        Column(name: "attributes", type: .jsonb), Column(name: "entity_refs", type: .jsonb),
    ]

    private static let scopeColumns = [
        Column(name: "scope_id", type: .int8), Column(name: "name", type: .text),
        Column(name: "version", type: .text), Column(name: "schema_url", type: .text),
        Column(name: "dropped_attributes", type: .int8), Column(name: "attributes", type: .jsonb),
    ]

    private static let seriesColumns = [
        Column(name: "series_id", type: .int8), Column(name: "metric_id", type: .int8),
        Column(name: "resource_id", type: .int8), Column(name: "scope_id", type: .int8),
        Column(name: "metric_type", type: .int2), Column(name: "temporality", type: .int2),
        Column(name: "is_monotonic", type: .bool), Column(name: "service_name", type: .text),
        Column(name: "metric_name", type: .text), Column(name: "unit", type: .text),
        Column(name: "description", type: .text), Column(name: "metadata", type: .jsonb),
        Column(name: "explicit_bounds", type: .text, cast: "float8[]"),
        Column(name: "attributes", type: .jsonb),
    ]
}

extension DictionaryRows {
    mutating func add(_ resource: ResourceContext, serviceField: RawSpan, _ bytes: RawSpan) {
        begin(resource.id)
        tuple.field(serviceField)
        tuple.text(unlessEmpty: resource.names.namespace, bytes)
        tuple.text(unlessEmpty: resource.names.instance, bytes)
        tuple.text(unlessEmpty: resource.schemaURL, bytes)
        tuple.int8(unlessZero: Int64(resource.droppedAttributesCount(bytes)))
        tuple.jsonb { if $0.attributes(resource.attributes, bytes).isEmpty { $0.raw("{}") } }
        tuple.jsonb { $0.entityReferences(ofResource: resource.body, bytes) }
    }

    mutating func add(_ scope: ScopeContext, _ bytes: RawSpan) {
        begin(scope.id)
        tuple.text(bytes, scope.entry.name)
        tuple.text(unlessEmpty: scope.entry.version, bytes)
        tuple.text(unlessEmpty: scope.entry.schemaURL, bytes)
        tuple.int8(unlessZero: Int64(scope.droppedAttributesCount(bytes)))
        tuple.jsonb { $0.attributes(scope.attributes, bytes) }
    }

    /// - Parameter isOverflow: whether it is the series of all that are beyond the limit.
    mutating func add(
        series id: Int64, of point: DataPointView, isOverflow: Bool, _ metric: MetricContext,
        _ resource: ResourceContext, _ scope: ScopeContext, serviceField: RawSpan, _ bytes: RawSpan
    ) {
        begin(id)
        tuple.int8(metric.metricID)
        tuple.int8(resource.id)
        tuple.int8(scope.id)
        tuple.int2(metric.entry.kind.column)
        tuple.int2(Int16(metric.entry.temporality))
        tuple.bool(metric.entry.isMonotonic)
        tuple.field(serviceField)
        if tuple.text(bytes, metric.entry.name, bytesMax: IndexedName.metricBytesMax) {
            cutNameCount += 1
        }
        tuple.text(unlessEmpty: metric.entry.unit, bytes)
        tuple.text(unlessEmpty: metric.entry.description, bytes)
        tuple.jsonb { $0.attributes(metric.metadata, bytes) }
        if metric.entry.kind == .histogram {
            tuple.text(ofArray: point.explicitBounds)
        } else {
            tuple.null()
        }
        tuple.jsonb {
            if isOverflow {
                $0.raw("{\"otel.metric.overflow\":true}")
            } else if $0.attributes(point.attributes, bytes).isEmpty {
                $0.raw("{}")
            }
        }
    }
}
