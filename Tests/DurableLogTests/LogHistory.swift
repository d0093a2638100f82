import Bytes
import Platform
import Synchronization

@testable import DurableLog

/// One log's life on a modelled disk, with what a client, an exporter and an operator may expect of
/// it. Runs in one thread; everything in it follows from a seed.
struct LogHistory {
    struct Options {
        var durability = LogSettings.Durability.fsync
        var steps = 60
        /// Whether a crash takes the machine down with the process.
        var losesPower = true
        var faults = FaultPlan()
        var crashesInRecovery = false
        /// At most, those in recovery among them.
        var crashes = 1
        /// Somebody else fills the disk now and then.
        var fillsDisk = false
    }

    /// An exporter.
    struct Reader {
        var cursor: LogCursor
        var isSkippable: Bool
        /// What was acknowledged before it came is not its business.
        let firstAcknowledged: Int
        var settled: Set<Int> = []
        var out: [(record: PlacedRecord, serial: Int)] = []
        var lastSerial = -1
    }

    private(set) var disk: ModelDisk
    private(set) var log: DurableLog?
    private let seed: UInt64
    private let options: Options
    private var random: SeededRandom
    private var settings = LogSettings()
    private let clock = ManualClock()
    private var readers: [String: Reader] = [:]
    /// Their cursors' names, in the order of their coming.
    private var names: [String] = []
    private var readersEver = 0
    private var serials = 0
    private var acknowledged: [Int] = []
    /// Of this run: what is in nobody's hands.
    private var refused: Set<Int> = []
    private let answers = Answers()
    /// What stood at a position when a reader saw it.
    private var seen: [LogPosition: Int] = [:]
    private(set) var problems: [String] = []
    private(set) var crashes = 0

    final class Answers: Sendable {
        let all = Mutex<[(serial: Int, isKept: Bool)]>([])
        let events = Mutex<[LogEvent]>([])
    }

    static let directory = "data/log/traces"

    init(seed: UInt64, _ options: Options) {
        self.seed = seed
        self.options = options
        random = SeededRandom(seed: seed)
        disk = ModelDisk(seed: seed ^ 0x5EED)
        settings.durability = options.durability
        settings.diskReserveBytes = 0
        settings.segmentBytes = 1000 + random.below(8000)
        settings.bytesMax = max(settings.segmentBytes * 4, 30_000 + random.below(100_000))
        settings.retain = .seconds(random.chance(1, 2) ? 0 : random.below(20))
        settings.cacheBytesMax = [0, 0, 2000, 1 << 20][random.below(4)]
        settings.compresses = random.chance(1, 4)
    }

    /// Returns the problems.
    mutating func run() -> [String] {
        reopen()
        disk.set(options.faults)
        for _ in 0..<options.steps where problems.isEmpty {
            step()
            if disk.isDown { crash() }
        }
        disk.set(FaultPlan())
        disk.withLock { $0.capacityBytes = .max }
        heal()
        checkAll()
        // As it stands, and as a power loss would leave it.
        crash()
        checkAll()
        return problems
    }

    /// Whether what was acknowledged has to be there: what only the operating system has goes with
    /// the machine, or when the disk does not take it.
    private var isKept: Bool {
        guard options.durability == .os else { return true }
        let mayFail = options.faults.percent > 0 || !options.faults.failing.isEmpty
        let isSyncFaulty = [.writeError, .syncError].contains(options.faults.kind)
        return !options.losesPower && !(mayFail && isSyncFaulty)
    }

    private mutating func fail(_ text: String) {
        problems.append("\(text) (after \(crashes) crashes, \(serials) records)")
    }

    // MARK: Steps

    private mutating func step() {
        guard let log else { return reopen() }
        if options.fillsDisk, random.chance(1, 8) {
            let isFull = random.chance(1, 2)
            let room = random.below(6000)
            disk.withLock { $0.capacityBytes = isFull ? $0.usedBytes + room : .max }
        }
        clock.advance(by: .milliseconds(random.below(3000)))
        switch random.below(20) {
        case 0..<7:
            for _ in 0..<1 + random.below(5) { append(to: log) }
            if random.chance(4, 5) { commit(log) }
        case 7..<11:
            withReader { history, name in history.read(name, 1 + history.random.below(9000)) }
        case 11..<15: withReader { history, name in history.settle(name) }
        case 15..<18: log.maintain()
        case 18: changeReaders(log)
        default:
            if random.chance(1, 4) {
                commit(log)
                log.close()
                collectAnswers()
                if !disk.isDown { reopen() }
            } else {
                commit(log)
            }
        }
    }

    private mutating func append(to log: DurableLog) {
        let record = Self.record(seed, serials)
        guard log.reserve(bytes: record.bytesOnDisk) == nil else { return }
        let serial = serials
        serials += 1
        log.append(record) { [answers] isKept in
            answers.all.withLock { $0.append((serial, isKept)) }
        }
    }

    private mutating func commit(_ log: DurableLog) {
        log.commitGathered()
        collectAnswers()
    }

    private mutating func collectAnswers() {
        let answered = answers.all.withLock { all in
            defer { all = [] }
            return all
        }
        for (serial, isKept) in answered {
            if isKept { acknowledged.append(serial) } else { refused.insert(serial) }
        }
    }

    private mutating func withReader(_ body: (inout LogHistory, String) -> Void) {
        guard !names.isEmpty else { return }
        body(&self, names[random.below(names.count)])
    }

    private mutating func changeReaders(_ log: DurableLog) {
        if names.count < 4 {
            readersEver += 1
            return open("cursor \(readersEver)/\(serials)", on: log)
        }
        guard random.chance(1, 3) else { return }
        let name = names.remove(at: random.below(names.count))
        log.remove(readers.removeValue(forKey: name)!.cursor)
    }

    private mutating func open(_ name: String, on log: DurableLog) {
        let isSkippable = readers[name]?.isSkippable ?? random.chance(1, 4)
        let cursor = log.openCursor(name, isSkippable: isSkippable) { _, _ in }
        if !names.contains(name) { names.append(name) }
        var reader =
            readers[name]
            ?? Reader(
                cursor: cursor, isSkippable: isSkippable, firstAcknowledged: acknowledged.count)
        reader.cursor = cursor
        reader.out = []
        reader.lastSerial = -1
        readers[name] = reader
    }

    private mutating func read(_ name: String, _ bytesMax: Int) {
        guard var reader = readers[name] else { return }
        defer { readers[name] = reader }
        let records: [PlacedRecord]
        do {
            records = try reader.cursor.read(bytesMax: bytesMax)
        } catch {
            if !disk.isDown, options.faults.kind != .noMemory { fail("read: \(error)") }
            return
        }
        for record in records {
            guard let serial = check(record, of: name, after: reader.lastSerial) else { return }
            reader.lastSerial = serial
            reader.out.append((record, serial))
        }
    }

    private mutating func settle(_ name: String) {
        guard var reader = readers[name] else { return }
        defer { readers[name] = reader }
        for _ in 0..<random.below(6) where !reader.out.isEmpty {
            let (record, serial) = reader.out.remove(at: random.below(min(3, reader.out.count)))
            settle(record, serial, &reader)
        }
    }

    private mutating func settle(_ record: PlacedRecord, _ serial: Int, _ reader: inout Reader) {
        var totals = CursorTotals()
        let items = record.record.itemCount
        totals.dropped = random.below(items + 1)
        totals.setAside = random.below(items - totals.dropped + 1)
        totals.exported = items - totals.dropped - totals.setAside
        reader.cursor.settle(record.position, as: totals)
        reader.settled.insert(serial)
    }

    // MARK: Ends and beginnings

    private mutating func crash() {
        end()
        collectAnswers()
        reopen()
    }

    private mutating func end() {
        crashes += 1
        // They refer to the log, and the log to them.
        log?.state.withLock { $0.cursors = [] }
        log = nil
        if options.losesPower { disk.losePower() } else { disk.endProcess() }
    }

    private mutating func reopen() {
        for attempt in 0..<4 {
            let storage = disk.boot()
            var faults = options.faults
            faults.crashAt = .max
            if options.crashesInRecovery, attempt < 3, random.chance(1, 2) {
                faults.crashAt = disk.calls + 1 + random.below(30)
            }
            if faults.crashAt < .max { disk.set(faults) }
            refused = []
            do {
                log = try DurableLog(
                    "traces", directory: Self.directory, settings: settings,
                    epoch: LogEpoch(UInt128(random.next()) << 64 | UInt128(random.next())),
                    storage: storage, clock: clock,
                    onEvent: { [answers] event in answers.events.withLock { $0.append(event) } })
            } catch {
                log = nil
                if !disk.isDown { return fail("cannot be opened: \(error)") }
            }
            if let log, !disk.isDown {
                for name in names { open(name, on: log) }
                // Its end was not yet saved.
                for name in log.orphanedCursors.keys.sorted() { _ = log.abandonOrphan(name) }
                if random.chance(1, 2) { log.maintain() }
                if !disk.isDown { break }
            }
            end()
        }
        if let log, names.isEmpty {
            open("a", on: log)
            open("b", on: log)
        }
        var faults = options.faults
        // The next crash comes after as many calls again, if there is to be more than one.
        let isLast = faults.crashAt == .max || options.crashes <= crashes
        faults.crashAt = isLast ? .max : disk.calls + 1 + random.below(faults.crashAt)
        disk.set(faults)
        // Their file is replaced as a whole: a crash leaves the old one or the new one.
        for case .cursorsUnreadable(let reason) in answers.events.withLock({ $0 })
        where reason.hasSuffix("is damaged") {
            fail(reason)
        }
        if random.chance(1, 3) { checkAll() }
    }

    /// Everything is well again: the log has to see that by itself.
    private mutating func heal() {
        guard let log else { return reopen() }
        log.maintain()
        log.maintain()
        commit(log)
        for name in names { drain(name) }
        log.maintain()
        log.maintain()
        let before = acknowledged.count
        append(to: log)
        commit(log)
        if acknowledged.count != before + 1 {
            let refusal = log.reserve(bytes: 1000)
            fail("refuses although all is well: \(String(describing: refusal)), \(log.status)")
        }
    }

    // MARK: Expectations

    /// Whether a record is what was appended; its serial number.
    private mutating func check(
        _ placed: PlacedRecord, of name: String, after last: Int
    ) -> Int? {
        let bytes = placed.record.payload
        guard bytes.count >= 8 else {
            fail("\(name): \(placed.position.number) is no record")
            return nil
        }
        let serial = Int(bytes.rawSpan.littleEndian64(at: 0))
        guard serial >= 0, serial < serials, Self.record(seed, serial) == placed.record else {
            fail("\(name): \(placed.position.number) was not appended so")
            return nil
        }
        if serial <= last { fail("\(name): \(serial) comes after \(last)") }
        if refused.contains(serial) { fail("\(name): \(serial) was refused in this run") }
        if let before = seen[placed.position], before != serial {
            fail("\(name): \(placed.position.number) was \(before), is \(serial)")
        }
        seen[placed.position] = serial
        return serial
    }

    /// Reads on to the end.
    private mutating func readAll(_ name: String) {
        while problems.isEmpty, let before = readers[name]?.out.count {
            read(name, 5000)
            if readers[name]!.out.count == before { return }
        }
    }

    private mutating func drain(_ name: String) {
        readAll(name)
        guard var reader = readers[name] else { return }
        for (record, serial) in reader.out { settle(record, serial, &reader) }
        reader.out = []
        readers[name] = reader
    }

    private mutating func checkAll() {
        guard let log else { return }
        for name in names where problems.isEmpty {
            readAll(name)
            guard !disk.isDown, let reader = readers[name] else { return }
            let place = reader.cursor.place
            let items = log.status.itemsEnd - Int(truncatingIfNeeded: place.itemsPassed)
            if reader.cursor.pending.items != items {
                fail("\(name): \(reader.cursor.pending.items) items wait, \(items) should")
            }
            let out = reader.out.reduce(0) { $0 + $1.record.record.itemCount }
            if isKept, out > items {
                fail("\(name): \(out) items are out, \(items) should be at most")
            }
            guard !reader.isSkippable, isKept else { continue }
            let there = reader.settled.union(reader.out.map(\.serial))
            let lost = acknowledged[reader.firstAcknowledged...].filter { !there.contains($0) }
            if !lost.isEmpty { fail("\(name): lost \(lost)") }
            if !options.losesPower, options.faults.percent == 0, options.faults.failing.isEmpty,
                place.totals.lost != 0
            {
                fail("\(name): counts \(place.totals.lost) lost items")
            }
        }
    }

    /// A record of any size, different for each number.
    static func record(_ seed: UInt64, _ serial: Int) -> LogRecord {
        var random = SeededRandom(seed: seed &+ UInt64(serial) &* 0x1234_5678_9ABC_DEF1)
        let size = [20, 400, 2000, random.chance(1, 8) ? 20_000 : 3000][random.below(4)]
        var payload: [UInt8] = []
        payload.appendInteger(UInt64(serial))
        while payload.count < 8 + size { payload.appendInteger(random.next()) }
        payload.removeLast(random.below(8))
        return LogRecord(
            signal: UInt8(random.below(3)), itemCount: random.below(20),
            receivedAt: 1_700_000_000_000_000_000 + UInt64(serial),
            attachment: [UInt8](repeating: UInt8(serial & 0xFF), count: random.below(30)),
            payload: payload)
    }
}

extension LogRecord: Equatable {
    public static func == (left: LogRecord, right: LogRecord) -> Bool {
        left.signal == right.signal && left.itemCount == right.itemCount
            && left.receivedAt == right.receivedAt && left.attachment == right.attachment
            && left.payload == right.payload
    }
}
