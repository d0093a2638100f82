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
    struct Source {
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
        /// The log could not be read when it was last tried, and is not tried again before.
        var retryAt: Instant?
    }

    struct Reading {
        var sources: [Source] = []
        /// Those of `sources` that have come to their ends.
        var finished: [Source] = []
        /// Cursors that others have: they come when those are done with them.
        var claims: [Claim] = []
        /// The cursors were given back, or are on their way: what is granted later goes the same
        /// way.
        var isReleased = false
    }

    struct Claim {
        let log: DurableLog
        let claim: CursorClaim
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
        /// A closed queue that cannot read a log, or has yet to get its cursor, is taken for empty.
        var endsAtFailure = false
        var isStopped = false
        /// Made by others than the cursors, and handed out first.
        var extras = FIFO<Lot>()
    }

    enum Step {
        case lot(Lot, isMoreWaiting: Bool)
        case notBefore(Instant, missingItems: Int, missingBytes: Int)
        /// Nothing more now. There may be later without an arrival: a log that could not be read is
        /// tried again at a time, and a cursor that was claimed has yet to come.
        case nothing(retryAt: Instant?, isAwaitingCursor: Bool)
    }

    /// What a consumer finds that does not wait.
    enum Poll {
        case lot(Lot)
        /// Nothing before something arrives after `wakeUps`, or the time comes.
        case nothing(until: Instant?, wakeUps: UInt64)
        case ended
    }

    let limit: QueueLimit
    /// A lock that does not spin: it is held while a log is read.
    let reading = Monitor(Reading())
    /// Hands in a cursor that was granted: at once, unless a test has it come later.
    let handIn: @Sendable (@escaping @Sendable () -> Void) -> Void
    let outstanding = Mutex(Outstanding())
    let arrivals = Monitor(Arrivals())
    private let hasDurableLog = Atomic<Bool>(false)

    public init(_ limit: QueueLimit) {
        self.limit = limit
        handIn = { $0() }
    }

    init(_ limit: QueueLimit, handIn: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void)
    {
        self.limit = limit
        self.handIn = handIn
    }

    // MARK: Sources

    /// Takes what the exporter is to have of a log from now on, or goes on with what was to end.
    /// Where another exporter still has the cursor, its data comes when that one has done with it.
    public func add(
        _ log: DurableLog, of signal: Signal, cursor name: String, start: DurableLog.CursorStart,
        isSkippable: Bool
    ) {
        if log.settings.durability != .memory { hasDurableLog.store(true, ordering: .relaxed) }
        let isThere = resume(log)
        removeFinished()
        if isThere { return wake() }
        claim(log, of: signal, name, start, isSkippable)
    }

    /// Takes what a cursor has left in a log that does not feed the exporter, and nothing more.
    public func adopt(
        _ log: DurableLog, of signal: Signal, cursor name: String, isSkippable: Bool
    ) {
        let isNew = reading.withLock { reading in
            let isThere =
                reading.sources.contains { $0.log === log }
                || reading.claims.contains { $0.log === log }
            guard !isThere else { return false }
            outstanding.withLock { _ = $0.ended.insert(ObjectIdentifier(log)) }
            return true
        }
        if isNew { claim(log, of: signal, name, .end, isSkippable) }
    }

    private func claim(
        _ log: DurableLog, of signal: Signal, _ name: String, _ start: DurableLog.CursorStart,
        _ isSkippable: Bool
    ) {
        let claim = CursorClaim(
            name, start: start, isSkippable: isSkippable,
            onAdvance: { [weak self] items, bytes in self?.noteArrival(items, bytes) },
            onGranted: { [self] cursor in handIn { [self] in receive(cursor, of: signal, log) } })
        reading.withLock { $0.claims.append(Claim(log: log, claim: claim)) }
        log.claim(claim)
    }

    /// A cursor is this queue's from now on, unless the queue has come to its end meanwhile.
    private func receive(_ cursor: LogCursor, of signal: Signal, _ log: DurableLog) {
        let isTaken = reading.withLock { reading in
            reading.claims.removeAll { $0.log === log }
            guard !reading.isReleased else { return false }
            var source = Source(log: log, cursor: cursor)
            source.isEnding = outstanding.withLock { outstanding in
                outstanding.cursors.append((signal, cursor))
                return outstanding.ended.contains(ObjectIdentifier(log))
            }
            reading.sources.append(source)
            return true
        }
        if isTaken { wake() } else { log.close(cursor) }
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
            switch poll(limits) {
            case .lot(let lot): return lot
            case .ended: return nil
            case .nothing(let time, let wakeUps):
                _ = arrivals.wait(until: time) { $0.wakeUps == wakeUps ? nil : true }
            }
        }
    }

    func poll(_ limits: LotLimits) -> Poll {
        let (arrived, extra) = arrivals.withLock { arrivals in
            arrivals.isWaking = false
            return (arrivals, arrivals.isStopped ? nil : arrivals.extras.popFirst())
        }
        if arrived.isStopped { return .ended }
        if let extra { return .lot(extra) }
        // Asked before the logs are: what had room until then is in them.
        let isLast = arrived.isClosed && outstanding.withLock { $0.reservedSum.records } == 0
        let (step, hasFinished) = reading.withLock { reading in
            (take(limits, arrived.isClosed, from: &reading), !reading.finished.isEmpty)
        }
        if hasFinished { removeFinished() }
        switch step {
        case .lot(let lot, let isMoreWaiting):
            // The rest is another consumer's business: it may have to wait for its time.
            if isMoreWaiting { wakeOne() }
            return .lot(lot)
        case .nothing(let retryAt, let isAwaitingCursor):
            let isEmpty = retryAt == nil && !isAwaitingCursor
            // A request that has room when the queue is closed still brings its batch.
            if isLast, isEmpty || arrived.endsAtFailure { return .ended }
            waitForArrival(after: arrived, items: 1, bytes: 0)
            return .nothing(until: retryAt, wakeUps: arrived.wakeUps)
        case .notBefore(let time, let items, let bytes):
            waitForArrival(after: arrived, items: items, bytes: bytes)
            return .nothing(until: time, wakeUps: arrived.wakeUps)
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
            // What a configuration wants may be as much as a number can be.
            arrivals.wantedItems = arrived.items.addingClamped(items)
            arrivals.wantedBytes = arrived.bytes.addingClamped(bytes)
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
    ///
    /// - Parameter endsAtFailure: also when there may be more that cannot be read now.
    public func close(endsAtFailure: Bool = false) {
        outstanding.withLock { $0.isClosed = true }
        arrivals.withLock { arrivals in
            arrivals.isClosed = true
            arrivals.endsAtFailure = endsAtFailure
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
        reading.withLock { reading in
            outstanding.withLock { _ = $0.ended.insert(ObjectIdentifier(log)) }
            // One that ends already does not get what came since, which is for others.
            for index in reading.sources.indices
            where reading.sources[index].log === log && reading.sources[index].end == .max {
                reading.sources[index].isEnding = true
            }
        }
        wake()
    }

    /// The exporter reads a log on that was to end; `false` where it has ended.
    private func resume(_ log: DurableLog) -> Bool {
        reading.withLock { reading in
            dropEnded(&reading)
            outstanding.withLock { _ = $0.ended.remove(ObjectIdentifier(log)) }
            guard let index = reading.sources.firstIndex(where: { $0.log === log }) else {
                return reading.claims.contains { $0.log === log }
            }
            reading.sources[index].isEnding = false
            reading.sources[index].end = .max
            reading.sources[index].hasReadAll = false
            return true
        }
    }

    /// Takes out the cursors that were to end, and have come to it: for ``removeFinished()``.
    func dropEnded(_ reading: inout Reading) {
        for index in reading.sources.indices where reading.sources[index].isEnding {
            let log = reading.sources[index].log
            guard !hasReserved(in: log) else { continue }
            reading.sources[index].isEnding = false
            reading.sources[index].end = log.end
        }
        guard reading.sources.contains(where: { $0.end != .max }) else { return }
        reading.finished += reading.sources.filter { $0.cursor.isPast($0.end) }
        reading.sources.removeAll { $0.cursor.isPast($0.end) }
    }

    /// Ends cursors that have come to their ends. Without the lock: one may go on to another queue.
    private func removeFinished() {
        let finished = reading.withLock { reading in
            defer { reading.finished = [] }
            return reading.finished
        }
        for source in finished { release(.source(source), .giveBack) }
    }

    /// Each cursor with the log that it stands in.
    public var cursors: [(log: DurableLog, cursor: LogCursor)] {
        reading.withLock { $0.sources.map { ($0.log, $0.cursor) } }
    }

    /// Whether what waits is on the disk, and so outlives the process.
    var isDurable: Bool { hasDurableLog.load(ordering: .relaxed) }

    /// Why one of its logs cannot be read now.
    var readTrouble: StorageTrouble? {
        outstanding.withLock { outstanding in
            outstanding.cursors.lazy.compactMap(\.cursor.readTrouble).first
        }
    }
}
