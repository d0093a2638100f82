public import Platform
import Synchronization

/// What one pipeline has acknowledged, until every exporter has it.
///
/// Any thread appends; a thread of the log's own writes what has gathered, syncs it once, and
/// acknowledges all of it, then looks what has gathered meanwhile. Cursors read behind it.
///
/// A record takes room in two steps, so that a request that goes to several logs is taken by all of
/// them or by none: ``reserve(bytes:)``, then ``append(_:whenKept:)`` or ``cancel(bytes:)``.
public final class DurableLog: Sendable {
    struct Pending: Sendable {
        var record: LogRecord
        var whenKept: @Sendable (_ isKept: Bool) -> Void
    }

    struct State {
        /// Oldest first. The last one may be the one that is written.
        var segments: [Segment] = []
        var segmentsBytes = 0
        /// The number of the segment that is written.
        var active: UInt64?
        /// Numbers of those with damage that could not be copied: when their time has come they
        /// are moved aside and not deleted.
        var uncopied: Set<UInt64> = []
        var pending: [Pending] = []
        var pendingBytes = 0
        var reservedBytes = 0
        /// The number that the next record gets: what is before it may be read.
        var end: UInt64
        /// Where that is higher, the number that the next segment begins with: those before it were
        /// given to records that could not be written, and may yet be found on the disk.
        var firstUnused: UInt64 = 0
        /// Items that the log has had before `end`, earlier runs included.
        var itemsEnd: UInt64
        /// The newest records, up to `end`.
        var recent = FIFO<PlacedRecord>()
        var recentBytes = 0
        var cursors: [LogCursor] = []
        var claims = CursorClaims<CursorClaim>()
        /// Cursors of the file that nobody has opened.
        var orphans: [String: SavedCursor] = [:]
        /// The file with the cursors is gone: whoever opens one is new, but may have had a place.
        var areCursorsLost = false
        /// A cursor was opened that the file does not know. Nothing is acknowledged until it does:
        /// after a crash the cursor would begin behind what was.
        var hasNewCursors = false
        var refusal: LogRefusal?
        /// Of the last record that had no room; 0 once there is room for one of that size.
        var refusedBytes = 0
        var wantsRoom = false
        var isClosing = false
    }

    public let name: String
    public let settings: LogSettings
    public let epoch: LogEpoch
    let directory: String
    let storage: any LogStorage
    let clock: any Clock
    let onEvent: @Sendable (LogEvent) -> Void
    let state: Monitor<State>
    /// What the writing thread alone touches, and whoever stands in for it in tests.
    let committer: Mutex<Committer>
    /// One at a time saves cursors.
    let savedCursors = Mutex(SavedCursors())
    let ages: SegmentAges
    private let thread = Mutex<Thread?>(nil)
    let damages = Mutex<Set<String>>([])
    let storageTroubles = StorageTroubles()
    public let counters = LogCounters()
    /// Items that the log has had in earlier runs.
    let itemsAtOpen: UInt64

    /// Opens the log in `directory`, which need not be there yet. Reads the ends of segments only.
    ///
    /// - Parameters:
    ///   - epoch: of this run of the process.
    ///   - onEvent: is called on any thread, and must not call the log.
    public init(
        _ name: String, directory: String, settings: LogSettings, epoch: LogEpoch,
        storage: any LogStorage = DiskStorage(), clock: any Clock = SystemClock(),
        onEvent: @escaping @Sendable (LogEvent) -> Void = { _ in }
    ) throws(LogOpenError) {
        self.name = name
        self.directory = directory
        self.settings = settings
        self.epoch = epoch
        self.storage = storage
        self.clock = clock
        self.onEvent = onEvent
        var state = State(end: 1, itemsEnd: 0)
        var lastNumber: UInt64 = 0
        var damagedHeaders: [Segment] = []
        if settings.durability != .memory {
            let recovery = try Recovery(directory, in: storage, repairs: true)
            let cursors = try Self.readCursors(directory, storage, onEvent)
            recovery.events.forEach(onEvent)
            counters.damagedBytes.add(recovery.damagedBytes, ordering: .relaxed)
            let opened = State.opened(recovery.segments, cursors)
            state = opened.state
            for missing in opened.missing {
                counters.missingItems.add(missing.items, ordering: .relaxed)
                onEvent(.missing(missing))
            }
            lastNumber = recovery.lastNumber
            damagedHeaders = recovery.damagedHeaders
            savedCursors.withLock { [orphans = state.orphans] in $0.file.cursors = orphans }
        }
        ages = SegmentAges(
            clock: clock,
            downtimeMax: settings.ageMax > .zero ? settings.ageMax / 4 : .seconds(86_400))
        itemsAtOpen = state.itemsEnd
        self.state = Monitor(state)
        committer = Mutex(Committer(lastNumber: lastNumber, settings))
        guard settings.durability != .memory else { return }
        do throws(SystemError) {
            try storage.makeDirectory(directory)
        } catch {
            throw LogOpenError("\(directory): \(error)")
        }
        for segment in damagedHeaders {
            guard let reader = try? reader(of: segment) else { continue }
            noteDamage(0..<LogFormat.segmentHeaderBytes, in: reader)
        }
    }

    /// Starts the thread that writes.
    public func start() throws(SystemError) {
        guard settings.durability != .memory else { return }
        let started = try Thread(name: "log") { [self] in
            while let batch = nextBatch() { commit(batch) }
        }
        thread.withLock { $0 = started }
    }

    // MARK: Appending

    /// Takes room for a record of so many bytes, or says why there is none.
    public func reserve(bytes: Int) -> LogRefusal? {
        if settings.durability != .memory, bytes > recordBytesMax {
            return .tooLarge(bytes: bytes, bytesMax: settings.bytesMax)
        }
        return state.withLock { state in
            guard !state.isClosing else { return .closed }
            if let refusal = state.refusal { return refusal }
            if settings.durability != .memory, let refusal = room(for: bytes, &state) {
                state.refusedBytes = min(bytes, settings.bytesMax / Self.refusedParts)
                return refusal
            }
            state.reservedBytes += bytes
            return nil
        }
    }

    /// Gives back room that was reserved and is not needed.
    public func cancel(bytes: Int) {
        state.withLock { $0.reservedBytes -= bytes }
        state.notifyAll()
    }

    /// Takes in a record for which `bytesOnDisk` bytes were reserved.
    ///
    /// - Parameter whenKept: is called once, on any thread: with true when the record is as safe as
    ///   the settings make it, with false when it could not be written.
    public func append(_ record: LogRecord, whenKept: @escaping @Sendable (Bool) -> Void) {
        guard settings.durability != .memory else { return keep(record, whenKept) }
        var record = record
        if !settings.compresses { record.checksum = record.computedChecksum }
        state.withLock { [record] state in
            state.reservedBytes -= record.bytesOnDisk
            state.pending.append(Pending(record: record, whenKept: whenKept))
            state.pendingBytes += record.bytesOnDisk
        }
        state.notifyOne()
    }

    private func keep(_ record: LogRecord, _ whenKept: @Sendable (Bool) -> Void) {
        let size = Backlog(records: 1, items: record.itemCount, bytes: record.payload.count)
        let cursors = state.withLock { state in
            state.reservedBytes -= record.bytesOnDisk
            publish(CollectionOfOne(record), size, &state)
            return state.cursors
        }
        whenKept(true)
        for cursor in cursors { cursor.onAdvance(record.itemCount, record.payload.count) }
    }

    /// Makes records readable that are as safe as they are going to be.
    func publish(_ records: some Collection<LogRecord>, _ size: Backlog, _ state: inout State) {
        for record in records {
            state.recent.append(
                PlacedRecord(
                    position: LogPosition(epoch: epoch, number: state.end), record: record,
                    itemsBefore: state.itemsEnd))
            state.recentBytes += record.bytesOnDisk
            state.end += 1
            state.itemsEnd += UInt64(record.itemCount)
        }
        for cursor in state.cursors { cursor.noteAppended(size) }
        guard settings.durability != .memory else { return }
        while state.recentBytes > settings.cacheBytesMax, let oldest = state.recent.popFirst() {
            state.recentBytes -= oldest.record.bytesOnDisk
        }
    }

    /// Where nothing is written, what all have passed is let go at once.
    func cursorMoved() {
        guard settings.durability == .memory else { return }
        state.withLock { state in
            // One that a reload has closed is opened again soon.
            state.forgetRecent(before: min(state.base, state.orphanBase))
        }
    }

    /// Gives back the memory of records that every cursor is past. Whoever wants one after all
    /// reads it from the disk.
    public func trim() {
        state.withLock { $0.forgetRecent(before: min($0.base, $0.orphanBase)) }
    }

    /// How many bytes of records are in memory.
    var recentBytes: Int { state.withLock { $0.recentBytes } }

    /// Why a record would be refused now, one like that which was refused last; nil where it would
    /// be taken.
    public var refusal: LogRefusal? {
        state.withLock { state in
            if state.isClosing { return .closed }
            if let refusal = state.refusal { return refusal }
            guard settings.durability != .memory else { return nil }
            if let refusal = room(for: max(1, state.refusedBytes), &state) { return refusal }
            state.refusedBytes = 0
            return nil
        }
    }

    /// One record that is larger than this part of the log does not say that the log is full.
    private static let refusedParts = 8

    /// The number that the next record gets.
    public var end: UInt64 { state.withLock { $0.end } }

    /// How full the log is.
    public var status: LogStatus {
        state.withLock { state in
            var status = LogStatus()
            status.bytes =
                settings.durability == .memory
                ? state.recentBytes : state.segmentsBytes + state.pendingBytes
            let base = min(state.cursors.map(\.place.base).min() ?? .max, state.orphanBase)
            status.neededBytes =
                settings.durability == .memory
                ? state.recentBytes
                : state.pendingBytes
                    + state.segments.reduce(0) { $0 + ($1.endPosition > base ? $1.bytes : 0) }
            status.filling = Double(status.neededBytes) / Double(settings.bytesMax)
            status.refusal = state.refusal
            status.itemsEnd = Int(clamping: state.itemsEnd)
            return status
        }
    }

    // MARK: Ending

    /// Writes what was appended, saves the cursors, seals the segment. Nothing is taken any more.
    public func close() {
        state.withLock { $0.isClosing = true }
        state.notifyAll()
        thread.withLock { $0 }?.join()
        committer.withLock { $0.close() }
        saveCursors()
        // They refer to the log, and the log to them.
        state.withLock { state in
            state.cursors = []
            state.claims = CursorClaims()
        }
    }

    /// What has gathered; waits until there is something. Nil when the log is closed.
    private func nextBatch() -> [Pending]? {
        state.wait { state -> [Pending]?? in
            if state.pending.isEmpty {
                if state.wantsRoom { return .some([]) }
                return state.isClosing && state.reservedBytes == 0 ? .some(nil) : nil
            }
            return takeBatch(&state)
        } ?? nil
    }

    private func takeBatch(_ state: inout State) -> [Pending] {
        var bytes = 0
        let count = state.pending.prefix { pending in
            defer { bytes += pending.record.bytesOnDisk }
            return bytes < batchBytesMax
        }.count
        let batch = Array(state.pending[..<count])
        state.pending.removeFirst(count)
        return batch
    }

    /// Does once what the thread does, where there is none: a test decides when.
    func commitGathered() {
        while case let batch = state.withLock({ takeBatch(&$0) }), !batch.isEmpty { commit(batch) }
    }

    /// A record of more has no room even where it is alone in the log.
    private var recordBytesMax: Int {
        settings.bytesMax - LogFormat.segmentHeaderBytes - LogFormat.sealBytes
    }

    /// Written and synced as one. More would only have the first of them wait longer.
    private var batchBytesMax: Int { min(segmentBytesMax, 4 << 20) }

    /// A log is at least some segments: it is given free by the segment.
    var segmentBytesMax: Int { min(settings.segmentBytes, settings.bytesMax / 4) }
}

extension DurableLog.State {
    /// The first number that some open cursor is not past.
    var base: UInt64 { cursors.reduce(end) { min($0, $1.place.base) } }

    /// Lets go of records in memory.
    mutating func forgetRecent(before number: UInt64) {
        while let first = recent.first, first.position.number < number {
            _ = recent.popFirst()
            recentBytes -= first.record.bytesOnDisk
        }
    }
}

/// Counts since the start, for the metrics.
public final class LogCounters: Sendable {
    public let damagedBytes = Atomic<Int>(0)
    /// Acknowledged items that a start did not find, although a cursor still needed them.
    public let missingItems = Atomic<Int>(0)
    public let writtenBytes = Atomic<Int>(0)
    public let commits = Atomic<Int>(0)
    public let commitFailures = Atomic<Int>(0)
}

/// How full a log is.
public struct LogStatus: Sendable {
    public var bytes = 0
    /// What some cursor has not passed, by the segment.
    public var neededBytes = 0
    /// `neededBytes` in parts of the limit.
    public var filling = 0.0
    public var refusal: LogRefusal?
    /// Items that the log has ever had.
    public var itemsEnd = 0
}
