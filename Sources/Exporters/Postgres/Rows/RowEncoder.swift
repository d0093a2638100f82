import Bytes
import OTLP
import Pipeline

/// Turns batches into the rows of one lot: tuples of COPY BINARY, a buffer a table, and the rows of
/// dictionaries that have to be there before.
///
/// One a thread, used again for each lot: `removeAll`, `append` for each batch, then
/// `dictionaryInserts` in a transaction of their own, then for each table with rows `COPY`.
/// What threads share is in `KnownRows` and `Cardinality`.
struct RowEncoder: ~Copyable {
    /// What was folded of the batch's current resource.
    private struct FoldedCount: Equatable {
        var series = 0
        var operations = 0
    }

    private let known: KnownRows
    private let cardinality: Cardinality
    private let window: TimeWindow

    private var tables: InlineArray<6, FactRows>
    private var resources = DictionaryRows(.resource)
    private var scopes = DictionaryRows(.scope)
    private var series = DictionaryRows(.metricSeries)
    /// In `resources`, `scopes` and `series`.
    private var collected: Set<Int64> = []

    private var index = TelemetryIndex()
    private var batchCount = 0
    private var now: UInt64 = 0
    private var timesOutsideWindow = 0
    /// Why a batch has no rows: it cannot be read.
    private(set) var unreadable: WireError?
    private var folded = FoldedCount()
    private var foldedByService: [(service: [UInt8], count: FoldedCount)] = []
    private var serviceField: [UInt8] = []
    private var serviceHash: UInt64 = 0
    private var key = HashKey.fixed

    /// Of dictionaries' rows that are known, and of operations within their limit.
    private var recentRows = RecentHashes(slotCount: 1 << 15)
    private var recentOperations = RecentHashes(slotCount: 1 << 12)
    private var recentSince: UInt64 = 0
    private var recentGeneration: Int
    /// Nanoseconds after which what is shared is asked again.
    private static let recentTime: UInt64 = 600_000_000_000

    /// Nanoseconds: sooner than this nothing is rolled up.
    private static let rollupDelay: UInt64 = 120_000_000_000

    /// Items that are larger than a row can be, and have none.
    private(set) var oversized: [RowItem] = []

    init(
        known: KnownRows, cardinality: Cardinality, window: TimeWindow = TimeWindow(),
        rowBytesMax: Int = FactRows.rowBytesMax
    ) {
        self.known = known
        self.cardinality = cardinality
        self.window = window
        tables = InlineArray { _ in FactRows(rowBytesMax: rowBytesMax) }
        recentGeneration = known.generation
    }

    /// Empties it for the next lot. `now` is in Unix nanoseconds.
    ///
    /// - Parameters:
    ///   - key: the database's. Another one goes with another generation of `known`.
    ///   - retention: how long the database keeps rows.
    mutating func removeAll(
        now: UInt64, key: HashKey = .fixed, retention: RowRetention = RowRetention()
    ) {
        self.key = key
        // Of rows that were not committed.
        _ = takeTally()
        foldedByService.removeAll()
        unreadable = nil
        let lateBefore = now - min(now, Self.rollupDelay)
        for table in FactTable.allCases {
            tables[table.rawValue].removeAll(
                lateBefore: lateBefore, expiredBefore: retention.keptFrom(table, now: now))
        }
        resources.removeAll()
        scopes.removeAll()
        series.removeAll()
        collected.removeAll(keepingCapacity: true)
        oversized.removeAll()
        batchCount = 0
        self.now = now
        let generation = known.generation
        if generation != recentGeneration || now < recentSince
            || now - recentSince >= Self.recentTime
        {
            recentRows.removeAll()
            recentOperations.removeAll()
            recentSince = now
            recentGeneration = generation
        }
    }

    /// The rows of a table: tuples without the stream's header and trailer.
    @_lifetime(borrow self)
    func tuples(of table: FactTable) -> RawSpan { tables[table.rawValue].tuple.written }

    func rowCount(of table: FactTable) -> Int { tables[table.rawValue].count }

    /// Minutes since 1970 of rows that come so late that rollups may have passed them.
    func lateMinutes(of table: FactTable) -> [UInt64] {
        tables[table.rawValue].lateMinutes.sorted()
    }

    /// Rows that are older than the database keeps them.
    func expiredCount(of table: FactTable) -> Int { tables[table.rawValue].expiredCount }

    /// The item of a row that COPY's error context names, counted from 1.
    func item(ofRow number: Int, in table: FactTable) -> RowItem? {
        tables[table.rawValue].item(ofRow: number - 1)
    }

    /// What has to be committed before the rows, in this order; then `KnownRows.add`.
    func dictionaryInserts() -> [DictionaryInsert] {
        var inserts: [DictionaryInsert] = []
        if let insert = resources.insert() { inserts.append(insert) }
        if let insert = scopes.insert() { inserts.append(insert) }
        if let insert = series.insert() { inserts.append(insert) }
        return inserts
    }

    /// After the rows' commit: what was folded of them is counted.
    mutating func noteFolded() {
        for (service, count) in foldedByService {
            cardinality.note(count.series, .series, foldedOf: service)
            cardinality.note(count.operations, .operation, foldedOf: service)
        }
        foldedByService.removeAll()
    }

    mutating func takeTally() -> RowTally {
        var tally = RowTally(
            cutNames: series.takeCutNameCount(), timesOutsideWindow: timesOutsideWindow)
        timesOutsideWindow = 0
        for table in 0..<tables.count { tally.take(from: &tables[table].tuple) }
        tally.take(from: &resources.tuple)
        tally.take(from: &scopes.tuple)
        tally.take(from: &series.tuple)
        return tally
    }

    /// Adds the rows of a batch's items.
    /// - Parameters:
    ///   - items: which of them, as indices into `TelemetryIndex.items`; nil for all.
    ///   - excluded: those of `items` that are left out, in ascending order.
    mutating func append(
        _ batch: QueuedBatch, items: Range<Int>? = nil, except excluded: [Int] = [],
        indexBytesMax: Int = .max
    ) {
        var index = TelemetryIndex()
        swap(&index, &self.index)
        do throws(WireError) {
            try batch.index(into: &index, bytesMax: indexBytesMax)
        } catch {
            if unreadable == nil { unreadable = error }
            swap(&index, &self.index)
            return
        }
        // What was set aside and is sent again doesn't know when it was received.
        let receivedAt = batch.receivedAt == 0 ? now : batch.receivedAt
        let times = BatchTimes(receivedAt: receivedAt, window: window.range(around: receivedAt))
        append(index, items ?? 0..<index.items.count, excluded, times, batch.payload.rawSpan)
        batchCount += 1
        swap(&index, &self.index)
    }

    private mutating func append(
        _ index: TelemetryIndex, _ items: Range<Int>, _ excluded: [Int], _ times: BatchTimes,
        _ bytes: RawSpan
    ) {
        var selection = ItemSelection(items, except: excluded)
        var resource: ResourceContext?
        var resourceIndex: Int32 = -1
        for entry in index.scopes where entry.items.overlaps(items) {
            if resource == nil || entry.resource != resourceIndex {
                noteFolded(of: resource)
                resourceIndex = entry.resource
                let context = ResourceContext(
                    index.resources[Int(resourceIndex)], in: index, bytes, key)
                begin(context, bytes)
                resource = context
            }
            let scope = ScopeContext(entry, in: index, bytes, key)
            if isNew(scope.id) { scopes.add(scope, bytes) }
            let part = entry.items.clamped(to: items)
            switch index.signal {
            case .traces: appendSpans(index, part, &selection, resource!, scope, times, bytes)
            case .logs: appendLogs(index, part, &selection, resource!, scope, times, bytes)
            case .metrics: appendPoints(index, part, &selection, resource!, scope, times, bytes)
            }
        }
        noteFolded(of: resource)
    }

    private mutating func begin(_ resource: ResourceContext, _ bytes: RawSpan) {
        var field = TupleBuffer()
        let name = resource.serviceName
        field.text(
            name.rawSpan, ByteRange(start: 0, end: name.count),
            bytesMax: IndexedName.serviceBytesMax)
        let serviceField = field.written.array(ByteRange(start: 0, end: field.count))
        if isNew(resource.id) { resources.add(resource, serviceField: serviceField.rawSpan, bytes) }
        self.serviceField = serviceField
        serviceHash = Cardinality.hash(service: name)
    }

    private mutating func noteFolded(of resource: ResourceContext?) {
        guard let resource, folded != FoldedCount() else { return }
        foldedByService.append((resource.serviceName, folded))
        folded = FoldedCount()
    }
}

extension RowEncoder {
    private mutating func appendSpans(
        _ index: TelemetryIndex, _ items: Range<Int>, _ selection: inout ItemSelection,
        _ resource: ResourceContext, _ scope: ScopeContext, _ times: BatchTimes, _ bytes: RawSpan
    ) {
        let serviceField = self.serviceField
        for position in items where selection.includes(position) {
            let item = index.items[position]
            let span = SpanView(item.body, in: bytes)
            let isFolded = !admits(operation: span.name, bytes)
            let table = FactTable.span.rawValue
            let start = tables[table].tuple.count
            let isOutside = tables[table].write(
                span: span, isFolded: isFolded, resource, scope,
                serviceField: serviceField.rawSpan, times, bytes)
            if isOutside { timesOutsideWindow += 1 }
            close(.span, from: start, position)
        }
    }

    private mutating func appendLogs(
        _ index: TelemetryIndex, _ items: Range<Int>, _ selection: inout ItemSelection,
        _ resource: ResourceContext, _ scope: ScopeContext, _ times: BatchTimes, _ bytes: RawSpan
    ) {
        let serviceField = self.serviceField
        for position in items where selection.includes(position) {
            let item = index.items[position]
            let record = LogRecordView(item.body, in: bytes)
            let table = FactTable.log.rawValue
            let start = tables[table].tuple.count
            let isOutside = tables[table].write(
                log: record, resource, scope,
                serviceField: serviceField.rawSpan, times, bytes)
            if isOutside { timesOutsideWindow += 1 }
            close(.log, from: start, position)
        }
    }

    private mutating func appendPoints(
        _ index: TelemetryIndex, _ items: Range<Int>, _ selection: inout ItemSelection,
        _ resource: ResourceContext, _ scope: ScopeContext, _ times: BatchTimes, _ bytes: RawSpan
    ) {
        var metric: MetricContext?
        for position in items where selection.includes(position) {
            let item = index.items[position]
            if metric?.position != item.parent {
                metric = MetricContext(at: item.parent, in: index, bytes, key)
            }
            let kind = metric!.entry.kind
            let point = DataPointView(item.body, kind, in: bytes)
            let isOutside = !times.window.contains(point.time)
            if isOutside { timesOutsideWindow += 1 }
            let key = PointKey(
                metricID: metric!.metricID,
                seriesID: seriesID(of: point, metric!, resource, scope, bytes),
                time: isOutside ? times.receivedAt : point.time,
                sentTime: isOutside ? point.time : nil)
            let table = FactTable(kind)
            let start = tables[table.rawValue].tuple.count
            tables[table.rawValue].write(point: point, key, bytes)
            close(table, from: start, position)
        }
    }

    @inline(__always)
    private mutating func close(_ table: FactTable, from start: Int, _ position: Int) {
        let item = RowItem(batch: batchCount, item: position)
        if !tables[table.rawValue].close(from: start, as: item) { oversized.append(item) }
    }

    /// Whether the row of a dictionary has to be collected; then it counts as collected.
    private mutating func isNew(_ id: Int64) -> Bool {
        let hash = UInt64(bitPattern: id)
        if recentRows.contains(hash) || collected.contains(id) { return false }
        guard known.lacks(id, now: Int64(clamping: now)) else {
            recentRows.insert(hash)
            return false
        }
        collected.insert(id)
        return true
    }

    @inline(__always)
    private mutating func admits(operation name: ByteRange, _ bytes: RawSpan) -> Bool {
        let hash = Cardinality.hash(operation: name, of: serviceHash, bytes)
        return recentOperations.contains(hash) || admits(operation: hash)
    }

    @inline(never)
    private mutating func admits(operation hash: UInt64) -> Bool {
        guard cardinality.admits(operation: hash, of: serviceHash, now: now) else {
            folded.operations += 1
            return false
        }
        recentOperations.insert(hash)
        return true
    }

    private mutating func seriesID(
        of point: DataPointView, _ metric: MetricContext, _ resource: ResourceContext,
        _ scope: ScopeContext, _ bytes: RawSpan
    ) -> Int64 {
        let id = metric.seriesID(of: point, resource, scope, bytes)
        if recentRows.contains(UInt64(bitPattern: id)) || collected.contains(id) { return id }
        guard known.lacks(id, now: Int64(clamping: now)) else {
            recentRows.insert(UInt64(bitPattern: id))
            return id
        }
        var writtenID = id
        let isOverflow = !cardinality.admits(series: id, of: serviceHash, now: now)
        if isOverflow {
            folded.series += 1
            writtenID = metric.seriesID(
                attributes: overflowAttributes, point.explicitBounds, resource, scope)
        }
        guard isNew(writtenID) else { return writtenID }
        let serviceField = self.serviceField
        series.add(
            series: writtenID, of: point, isOverflow: isOverflow, metric, resource, scope,
            serviceField: serviceField.rawSpan, bytes)
        return writtenID
    }

    /// The hash of `otel.metric.overflow: true`, as if it had come in a point.
    private var overflowAttributes: UInt64 {
        let bytes = Self.overflowAttribute
        return ContentHash.of(bytes.rawSpan, ByteRange(start: 0, end: bytes.count), key)
    }

    private static let overflowAttribute: [UInt8] = {
        var writer = ProtobufWriter()
        writer.string(1, "otel.metric.overflow")
        writer.message(2) { $0.bool(2, true) }
        return writer.bytes
    }()
}

/// Which items of a batch become rows; to be asked in ascending order.
private struct ItemSelection {
    private let excluded: [Int]
    private var next: Int

    init(_ items: Range<Int>, except excluded: [Int]) {
        self.excluded = excluded
        next = excluded.firstIndex { $0 >= items.lowerBound } ?? excluded.count
    }

    @inline(__always)
    mutating func includes(_ position: Int) -> Bool {
        guard next < excluded.count, excluded[next] == position else { return true }
        next += 1
        return false
    }
}

extension RowTally {
    fileprivate mutating func take(from tuple: inout TupleBuffer) {
        replacedNULs += tuple.json.takeReplacedNULCount()
        clampedIntegers += tuple.takeClampedCount()
    }
}
