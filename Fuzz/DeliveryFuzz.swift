// libFuzzer target for the log, the queue and the lifecycle of a delivery: each byte of the input
// is a step. Clients append, consumers take lots and end them in every way that there is, reloads
// replace and remove the exporter, an operator abandons, the disk fails, the process is killed and
// starts again. All on files in memory, in one thread; the same input does the same.
//
// In the end everything is well again, and then: each acknowledged record was delivered, dropped,
// set aside, skipped or given up; the accounts of each cursor meet; records came in their order.
import Bytes
import OTLP
import Platform
import Synchronization

@testable import DurableLog
@testable import Pipeline

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDelivery(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    var world = DeliveryWorld(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
    world.run()
    return 0
}

private struct DeliveryWorld {
    private var input: ArraySlice<UInt8>
    private let storage = MemoryStorage()
    private let clock = ManualClock()
    private var settings = LogSettings()
    private var log: DurableLog
    private var epochs: UInt64 = 1
    private var queue: ExportQueue?
    private var lifecycle = DeliveryLifecycle()
    private var isSkippable: Bool
    /// Taken by consumers and not settled.
    private var lots: [Lot] = []
    private var serials = 0
    private var answers = Answers()
    private var acknowledged: Set<Int> = []
    private var settled: Set<Int> = []
    /// Of the cursor that is open: records come in their order.
    private var lastSerial = -1

    final class Answers: Sendable {
        let kept = Mutex<[Int]>([])
        let events = Mutex<[LogEvent]>([])
    }

    private static let directory = "data/log"

    init(_ bytes: [UInt8]) {
        input = bytes[2...]
        // What is synced is buffered in megabytes: that costs the most here, and tests the least.
        settings.durability = bytes[1] >> 4 == 0 ? .fsync : .os
        settings.diskReserveBytes = 0
        settings.segmentBytes = 600 + Int(bytes[0]) * 8
        settings.bytesMax = settings.segmentBytes * 6
        settings.retain = bytes[1] & 1 == 0 ? .zero : .seconds(60)
        settings.cacheBytesMax = bytes[1] & 2 == 0 ? 0 : 1 << 20
        settings.compresses = bytes[1] & 4 != 0
        isSkippable = bytes[1] & 8 != 0
        log = Self.open(storage, settings, clock, answers, 1)
        join()
    }

    private static func open(
        _ storage: MemoryStorage, _ settings: LogSettings, _ clock: ManualClock, _ answers: Answers,
        _ epoch: UInt64
    ) -> DurableLog {
        do {
            return try DurableLog(
                "traces", directory: directory, settings: settings,
                epoch: LogEpoch(UInt128(epoch)), storage: storage, clock: clock,
                onEvent: { event in answers.events.withLock { $0.append(event) } })
        } catch {
            preconditionFailure("BUG: a log of ours cannot be opened: \(error)")
        }
    }

    private mutating func next() -> Int { Int(input.popFirst() ?? 0) }

    mutating func run() {
        while !input.isEmpty { step() }
        finish()
    }

    private mutating func step() {
        let choice = next()
        switch choice >> 4 {
        case 0, 1, 2, 3: append(choice & 15)
        case 4, 5: commit()
        case 6, 7: take(choice & 15)
        case 8, 9: end(choice & 15)
        case 10: clock.advance(by: .seconds(choice & 15))
        case 11: log.maintain()
        case 12: reload(choice & 15)
        case 13: storage.fail(.init(rawValue: choice & 3) ?? .reads, calls: choice >> 2 & 3)
        case 14: kill()
        default: stop()
        }
    }

    // MARK: Clients

    private mutating func append(_ choice: Int) {
        let items = 1 + choice & 3
        let size = BatchSize(items: items, bytes: 8 + choice * 20)
        var payload: [UInt8] = []
        payload.appendInteger(UInt64(serials))
        payload += [UInt8](repeating: UInt8(choice), count: choice * 20)
        let record = LogRecord(
            signal: UInt8(choice % 3), itemCount: items, receivedAt: clock.unixNanoseconds,
            payload: payload)
        guard let queue, log.reserve(bytes: record.bytesOnDisk) == nil else { return }
        guard queue.reserve(size, in: log) else { return log.cancel(bytes: record.bytesOnDisk) }
        let serial = serials
        serials += 1
        let (answers, log) = (answers, log)
        log.append(record) { isKept in
            queue.release(size, in: log)
            if isKept { answers.kept.withLock { $0.append(serial) } }
        }
    }

    private mutating func commit() {
        log.commitGathered()
        acknowledged.formUnion(
            answers.kept.withLock { kept in
                defer { kept = [] }
                return kept
            })
    }

    // MARK: Consumers

    private static let lotsMax = 8

    private mutating func take(_ choice: Int) {
        guard let queue, lots.count < Self.lotsMax,
            case .lot(let lot) = queue.poll(
                LotLimits(batchesMax: 1 + choice & 7, mixesSignals: true))
        else { return }
        for batch in lot.batches {
            let serial = Self.serial(batch)
            precondition(serial < serials, "BUG: a record that nobody appended")
            precondition(serial > lastSerial, "BUG: records come out of their order")
            lastSerial = serial
        }
        lots.append(lot)
    }

    private static func serial(_ batch: QueuedBatch) -> Int {
        Int(batch.payload.rawSpan.littleEndian64(at: 0))
    }

    private mutating func end(_ choice: Int) {
        guard !lots.isEmpty else { return }
        let index = choice % min(lots.count, 3)
        switch choice >> 2 {
        case 0: return  // Tried again later.
        case 1:
            // Too large: one batch now, the rest in a lot of its own.
            let lot = lots[index]
            guard lot.batches.count > 1 else { return settle(lots.remove(at: index), choice) }
            lots[index] = Lot(Array(lot.batches.dropFirst()))
            settle(Lot([lot.batches[0]]), choice)
        default: settle(lots.remove(at: index), choice)
        }
    }

    private mutating func settle(_ lot: Lot, _ choice: Int) {
        for batch in lot.batches {
            var totals = CursorTotals()
            switch choice & 3 {
            case 0: totals.exported = batch.itemCount
            case 1: totals.dropped = batch.itemCount
            case 2: totals.setAside = batch.itemCount
            default:
                totals.exported = batch.itemCount - 1
                totals.setAside = 1
            }
            batch.settle(as: totals)
            settled.insert(Self.serial(batch))
        }
    }

    // MARK: Reloads

    private mutating func join() {
        let queue = ExportQueue(.none)
        queue.add(log, of: .traces, cursor: "a", start: .end, isSkippable: isSkippable)
        self.queue = queue
        lifecycle = DeliveryLifecycle()
        lots = []
        lastSerial = -1
    }

    /// The exporter is replaced, removed, or put back. What has room is in the log before.
    private mutating func reload(_ choice: Int) {
        commit()
        guard let old = queue else { return join() }
        let isGone = choice & 1 == 1
        let events: [DeliveryLifecycle.Event] = [
            isGone ? .finish : .leave(isUndone: false), .deadlinePassed, .consumersGone,
        ]
        if isGone {
            old.endAtPresent(log)
            queue = nil
        } else {
            join()
        }
        for action in events.flatMap({ lifecycle.handle($0) }) {
            switch action {
            case .closeQueue(let endsAtFailure): old.close(endsAtFailure: endsAtFailure)
            case .stopQueue: old.stop()
            case .release(let cursors): old.release(cursors)
            default: break
            }
        }
        lifecycle = DeliveryLifecycle()
        if isGone { lots = [] }
        if isGone, choice & 2 == 2, log.abandonOrphan("a") != nil {
            settled.formUnion(acknowledged)
        }
    }

    // MARK: Processes

    private mutating func kill() {
        // What was not committed is nobody's: its client has had no answer.
        log.state.withLock { state in
            state.cursors = []
            state.claims = CursorClaims()
            state.pending = []
        }
        reopen()
    }

    private mutating func stop() {
        commit()
        log.close()
        reopen()
    }

    private mutating func reopen() {
        storage.heal()
        answers.kept.withLock { $0 = [] }
        epochs += 1
        let had = queue != nil
        log = Self.open(storage, settings, clock, answers, epochs)
        queue = nil
        lots = []
        if had { join() }
    }

    // MARK: The end

    private mutating func finish() {
        storage.heal()
        clock.advance(by: .seconds(2))
        log.maintain()
        commit()
        log.maintain()
        if queue == nil { join() }
        while !lots.isEmpty { settle(lots.removeFirst(), 0) }
        // A queue that has met an error waits a second of the real clock: its successor doesn't.
        reload(0)
        var polls = 0
        while polls < serials + 8 {
            polls += 1
            take(0)
            while !lots.isEmpty { settle(lots.removeFirst(), 0) }
        }
        let accounts = log.accounts.cursors
        for account in accounts {
            precondition(account.isBalanced, "BUG: the accounts do not meet: \(account)")
            precondition(account.pending.items == 0, "BUG: items wait for ever: \(account)")
        }
        guard !isSkippable else { return log.close() }
        let lost = acknowledged.subtracting(settled)
        precondition(lost.isEmpty, "BUG: acknowledged and lost: \(lost.sorted())")
        precondition(
            accounts.allSatisfy { $0.totals.lost == 0 }, "BUG: counted as lost: \(accounts)")
        log.close()
    }
}
