public import DurableLog
public import OTLP
import Platform
import Synchronization

/// What waits for one exporter: its cursors in the logs of all pipelines that name it, as one
/// queue.
///
/// The logs keep the data; the queue decides which of it goes out next, and counts what is not yet
/// done with.
public final class ExportQueue: Sendable {
    private struct Source {
        let log: DurableLog
        let cursor: LogCursor
        /// The exporter is to have nothing from this number on.
        var end = UInt64.max
        /// `end` is still to be found: what has room in the log is on its way into it.
        var isEnding = false
        var hasReadAll = false
        /// Read from the log, and not yet handed out.
        var window = FIFO<QueuedBatch>()
        var windowItems = 0
        var windowBytes = 0
    }

    private struct Reading {
        var sources: [Source] = []
        var error: String?
    }

    /// What has room and was not appended yet, and where what was appended is counted.
    struct Outstanding {
        var reserved: [ObjectIdentifier: Backlog] = [:]
        /// Logs of which the exporter is to have nothing more.
        var ended: Set<ObjectIdentifier> = []
        var cursors: [(signal: Signal, cursor: LogCursor)] = []
        var isClosed = false
    }

    struct Arrivals {
        /// All items and bytes that ever came.
        var items = 0
        var bytes = 0
        /// Consumers that wait for a lot to grow sleep until these have come: to wake a thread
        /// costs as much as to take ten spans.
        var wantedItems = 0
        var wantedBytes = 0
        var wakeUps: UInt64 = 0
        /// A consumer was woken that has not looked at the logs yet. It will find what comes now,
        /// too, and wakes the next one if there is more: a wake-up for each request would cost more
        /// than the request.
        var isWaking = false
        var isClosed = false
        var isStopped = false
        /// Made by others than the cursors, and handed out first.
        var extras = FIFO<Lot>()
    }

    private enum Step {
        case lot(Lot, isMoreWaiting: Bool)
        case notBefore(Instant, missingItems: Int, missingBytes: Int)
        case nothing
    }

    let limit: QueueLimit
    /// A lock that does not spin: it is held while a log is read.
    private let reading = Monitor(Reading())
    let outstanding = Mutex(Outstanding())
    private let arrivals = Monitor(Arrivals())
    private let hasDurableLog = Atomic<Bool>(false)

    public init(_ limit: QueueLimit) { self.limit = limit }

    // MARK: Sources

    /// Takes what the exporter is to have of a log from now on, or goes on with what was to end.
    public func add(
        _ log: DurableLog, of signal: Signal, cursor name: String, start: DurableLog.CursorStart,
        isSkippable: Bool
    ) {
        if log.settings.durability != .memory { hasDurableLog.store(true, ordering: .relaxed) }
        if resume(log) { return wake() }
        let cursor = log.openCursor(name, start: start, isSkippable: isSkippable) {
            [weak self] items, bytes in self?.noteArrival(items, bytes)
        }
        outstanding.withLock { $0.cursors.append((signal, cursor)) }
        reading.withLock { $0.sources.append(Source(log: log, cursor: cursor)) }
        wake()
    }

    /// Whether the exporter takes part in a log.
    public func reads(_ log: DurableLog) -> Bool {
        reading.withLock { $0.sources.contains { $0.log === log } }
    }

    // MARK: Room

    /// Takes room for a batch that goes into a log; `false` where there is none, and then nothing
    /// has changed.
    public func reserve(_ size: BatchSize, in log: DurableLog) -> Bool {
        outstanding.withLock { outstanding in
            let log = ObjectIdentifier(log)
            guard !outstanding.isClosed, !outstanding.ended.contains(log) else { return false }
            if limit != .none {
                let used = outstanding.sum
                let size = Backlog(records: 1, items: size.items, bytes: size.bytes)
                // An empty queue takes any one batch: refusing it would be refusing it for ever.
                guard
                    used.records == 0
                        || (limit.measure(used) + limit.measure(size) <= limit.capacity
                            && used.bytes + size.bytes <= limit.bytesMax)
                else { return false }
            }
            outstanding.reserved[log, default: Backlog()].add(size)
            return true
        }
    }

    /// A batch that has room is in its log now, or needs no room any more.
    public func release(_ size: BatchSize, in log: DurableLog) {
        let isAwaited = outstanding.withLock { outstanding in
            let log = ObjectIdentifier(log)
            outstanding.reserved[log, default: Backlog()].subtract(size)
            return outstanding.isClosed || outstanding.ended.contains(log)
        }
        if isAwaited { wake() }
    }

    private func hasReserved(in log: DurableLog) -> Bool {
        outstanding.withLock { ($0.reserved[ObjectIdentifier(log)]?.records ?? 0) > 0 }
    }

    // MARK: Lots

    /// The next lot; waits until there is one. Nil when the queue was closed and is empty.
    public func nextLot(_ limits: LotLimits) -> Lot? {
        while true {
            let (arrived, extra) = arrivals.withLock { arrivals in
                arrivals.isWaking = false
                return (arrivals, arrivals.extras.popFirst())
            }
            if arrived.isStopped { return nil }
            if let extra { return extra }
            // Asked before the logs are: what had room until then is in them.
            let isLast = arrived.isClosed && outstanding.withLock { $0.reservedSum.records } == 0
            let step = reading.withLock { take(limits, arrived.isClosed, from: &$0) }
            var deadline: Instant?
            switch step {
            case .lot(let lot, let isMoreWaiting):
                // The rest is another consumer's business: it may have to wait for its time.
                if isMoreWaiting { wakeOne() }
                return lot
            case .nothing:
                // A request that has room when the queue is closed still brings its batch.
                if isLast { return nil }
                waitForArrival(after: arrived, items: 1, bytes: 0)
            case .notBefore(let time, let items, let bytes):
                waitForArrival(after: arrived, items: items, bytes: bytes)
                deadline = time
            }
            _ = arrivals.wait(until: deadline) { $0.wakeUps == arrived.wakeUps ? nil : true }
        }
    }

    /// Has a lot handed out that is in no cursor's way; false where nothing more is.
    public func offer(_ lot: Lot) -> Bool {
        let isOpen = arrivals.withLock { arrivals in
            guard !arrivals.isClosed else { return false }
            arrivals.extras.append(lot)
            arrivals.wakeUps += 1
            return true
        }
        if isOpen { arrivals.notifyOne() }
        return isOpen
    }

    public var isOpen: Bool { arrivals.withLock { !$0.isClosed } }

    /// Sets what the consumers want to be woken for.
    private func waitForArrival(after arrived: Arrivals, items: Int, bytes: Int) {
        arrivals.withLock { arrivals in
            arrivals.wantedItems = arrived.items + items
            arrivals.wantedBytes = arrived.bytes + bytes
            if arrivals.hasEnough { arrivals.wakeUps += 1 }
        }
    }

    private func noteArrival(_ items: Int, _ bytes: Int) {
        let wakes = arrivals.withLock { arrivals in
            arrivals.items += items
            arrivals.bytes += bytes
            return arrivals.hasEnough && arrivals.beginWaking()
        }
        if wakes { arrivals.notifyOne() }
    }

    private func wakeOne() {
        if arrivals.withLock({ $0.beginWaking() }) { arrivals.notifyOne() }
    }

    private func wake() {
        arrivals.withLock { $0.wakeUps += 1 }
        arrivals.notifyAll()
    }

    /// From now on nothing is reserved, and `nextLot` neither waits for lots to grow nor for new
    /// ones: it ends when there is nothing left.
    public func close() {
        outstanding.withLock { $0.isClosed = true }
        arrivals.withLock { arrivals in
            arrivals.isClosed = true
            arrivals.extras = FIFO()
        }
        wake()
    }

    /// Hands out no more lots.
    func stop() {
        close()
        arrivals.withLock { $0.isStopped = true }
        wake()
    }

    /// The exporter gets nothing more of a log than what is there now or has room in it: that may
    /// have been acknowledged before its number is known.
    public func endAtPresent(_ log: DurableLog) {
        outstanding.withLock { _ = $0.ended.insert(ObjectIdentifier(log)) }
        reading.withLock { reading in
            for index in reading.sources.indices where reading.sources[index].log === log {
                reading.sources[index].isEnding = true
            }
        }
        wake()
    }

    /// Ends the cursors, wherever they stand.
    public func removeCursors() {
        let sources = reading.withLock { reading in
            defer { reading.sources = [] }
            return reading.sources
        }
        outstanding.withLock { $0.cursors = [] }
        for source in sources { source.log.remove(source.cursor) }
    }

    /// Gives the cursors back to their logs, which keep the places, but for those that have
    /// nothing more to come: these are ended.
    func closeCursors() {
        let sources = reading.withLock { reading in
            defer { reading.sources = [] }
            return reading.sources
        }
        outstanding.withLock { $0.cursors = [] }
        for source in sources {
            if source.cursor.isPast(source.end) {
                source.log.remove(source.cursor)
            } else {
                source.log.close(source.cursor)
            }
        }
    }

    /// The exporter reads a log on that was to end; `false` where it has ended.
    private func resume(_ log: DurableLog) -> Bool {
        let isThere = reading.withLock { reading in
            dropEnded(&reading)
            guard let index = reading.sources.firstIndex(where: { $0.log === log }) else {
                return false
            }
            reading.sources[index].isEnding = false
            reading.sources[index].end = .max
            reading.sources[index].hasReadAll = false
            return true
        }
        outstanding.withLock { _ = $0.ended.remove(ObjectIdentifier(log)) }
        return isThere
    }

    /// Ends the cursors that were to end, and have come to it.
    private func dropEnded(_ reading: inout Reading) {
        for index in reading.sources.indices where reading.sources[index].isEnding {
            let log = reading.sources[index].log
            guard !hasReserved(in: log) else { continue }
            reading.sources[index].isEnding = false
            reading.sources[index].end = log.end
        }
        guard reading.sources.contains(where: { $0.end != .max }) else { return }
        for source in reading.sources where source.cursor.isPast(source.end) {
            source.log.remove(source.cursor)
            outstanding.withLock { $0.cursors.removeAll { $0.cursor === source.cursor } }
        }
        reading.sources.removeAll { $0.cursor.isPast($0.end) }
    }

    /// Each cursor with the log that it stands in.
    public var cursors: [(log: DurableLog, cursor: LogCursor)] {
        reading.withLock { $0.sources.map { ($0.log, $0.cursor) } }
    }

    /// Whether what waits is on the disk, and so outlives the process.
    var isDurable: Bool { hasDurableLog.load(ordering: .relaxed) }
}

extension ExportQueue {
    /// More than this is not read ahead of what is handed out, whatever the lots ask for.
    public static let windowBytesMax = 4 << 20
    /// Read from a log at once.
    private static let readBytes = 256 << 10

    private func take(_ limits: LotLimits, _ isClosed: Bool, from reading: inout Reading) -> Step {
        dropEnded(&reading)
        for index in reading.sources.indices {
            refill(&reading.sources[index], limits, &reading.error)
        }
        let oldest = reading.sources.indices
            .compactMap { index in reading.sources[index].window.first.map { ($0, index) } }
            .min { $0.0.enqueuedAt < $1.0.enqueuedAt }
        guard let (first, _) = oldest else { return .nothing }
        let indexes = reading.sources.indices.filter {
            limits.mixesSignals || reading.sources[$0].window.first?.signal == first.signal
        }
        let items = indexes.reduce(0) { $0 + reading.sources[$1].windowItems }
        let bytes = indexes.reduce(0) { $0 + reading.sources[$1].windowBytes }
        let missingItems = limits.itemsMin - items
        let missingBytes = min(limits.bytesMin, Self.windowBytesMax) - bytes
        let ripe = first.enqueuedAt + limits.waitMax
        guard
            (missingItems <= 0 && missingBytes <= 0) || bytes >= Self.windowBytesMax || isClosed
                || ripe <= .now
        else { return .notBefore(ripe, missingItems: missingItems, missingBytes: missingBytes) }
        let lot = fill(limits, indexes, from: &reading)
        return .lot(lot, isMoreWaiting: reading.sources.contains { !$0.window.isEmpty })
    }

    /// Reads ahead until there is enough for a lot, or no more.
    private func refill(_ source: inout Source, _ limits: LotLimits, _ error: inout String?) {
        while source.windowBytes < Self.windowBytesMax, !source.hasReadAll,
            source.window.isEmpty || source.windowItems < limits.itemsMin
                || source.windowBytes < limits.bytesMin
        {
            let records: [PlacedRecord]
            do throws(SystemError) {
                records = try source.cursor.read(bytesMax: Self.readBytes)
            } catch let failure {
                error = "\(source.log.name): \(failure)"
                return
            }
            guard let last = records.last else { return }
            source.hasReadAll = last.position.number + 1 >= source.end
            // What is read behind the end goes out with the rest: the log may be resumed.
            for record in records {
                let batch = QueuedBatch(record, from: source.log, source.cursor)
                source.window.append(batch)
                source.windowItems += batch.itemCount
                source.windowBytes += batch.payload.count
            }
        }
    }

    private func fill(
        _ limits: LotLimits, _ indexes: [Int], from reading: inout Reading
    ) -> Lot {
        var lot = Lot([])
        var items = 0
        var bytes = 0
        // Always the oldest first, so that no pipeline waits behind another.
        while lot.batches.count < limits.batchesMax,
            let index = indexes.filter({ !reading.sources[$0].window.isEmpty }).min(by: {
                reading.sources[$0].window.first!.enqueuedAt
                    < reading.sources[$1].window.first!.enqueuedAt
            }),
            let next = reading.sources[index].window.first
        {
            items += next.itemCount
            bytes += next.payload.count
            let fits = items <= limits.itemsMax && bytes <= limits.bytesMax
            guard lot.batches.isEmpty || fits else { break }
            _ = reading.sources[index].window.popFirst()
            reading.sources[index].windowItems -= next.itemCount
            reading.sources[index].windowBytes -= next.payload.count
            lot.batches.append(next)
            // For the next batch of the lot, or to know whether somebody is to be woken for more:
            // what came while a wake-up was under way has woken nobody.
            if reading.sources[index].window.isEmpty {
                refill(&reading.sources[index], LotLimits(), &reading.error)
            }
        }
        return lot
    }
}
