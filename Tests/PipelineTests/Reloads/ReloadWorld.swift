import DurableLog
import OTLP
import Platform
import Synchronization

@testable import Pipeline

/// Two logs, one exporter of successive configurations, and all that threads do to them: clients
/// append, consumers deliver, reloads replace, remove and put back the exporter, threads of earlier
/// reloads wait for what they removed, an operator abandons. The logs, the queues and the lifecycle
/// are the real ones; what `Delivery` and `Gateway` do with them between two locks is a step here.
final class ReloadWorld {
    struct Configuration {
        /// Nil where it has no exporter. Another number is another exporter with the same cursors.
        var version: Int?
        /// Of the logs, which feed it.
        var feeds: [Bool]
        /// The reload is given up after the cursors were claimed.
        var fails = false
    }

    final class Exporter {
        let number: Int
        let version: Int
        let queue: ExportQueue
        var lifecycle: DeliveryLifecycle
        var isClosed = false
        var feeds = [false, false]

        init(number: Int, version: Int, queue: ExportQueue, consumers: Int) {
            self.number = number
            self.version = version
            self.queue = queue
            lifecycle = DeliveryLifecycle(consumers: consumers)
        }
    }

    /// Cursors that were granted and have not come to their queue yet.
    final class Grants: Sendable {
        let waiting = Mutex<[@Sendable () -> Void]>([])
    }

    let scheduler: Scheduler
    let logs: [DurableLog]
    private(set) var problems: [String] = []
    private let grants = Grants()
    private var current: Exporter?
    private var retiring: [Exporter] = []
    private var exportersEver = 0
    private var serials = 0
    /// Acknowledged, by log: what the exporter of that moment is to have.
    private var expected: [Set<Int>] = [[], []]
    /// Some more than once: what was settled behind what was not is not remembered.
    private var delivered: Set<Int> = []
    private var abandoned: Set<Int> = []
    private let consumers: Int
    private let isRecording: Bool
    /// Of the destination: two are as good as many, and all orders come to an end.
    private var failuresLeft = 2

    static let cursor = "exporter"

    init(_ scheduler: Scheduler, consumers: Int, isRecording: Bool) {
        self.isRecording = isRecording
        self.scheduler = scheduler
        self.consumers = consumers
        var settings = LogSettings()
        settings.durability = .memory
        logs = ["traces/a", "traces/b"].map { name in
            do {
                return try DurableLog(name, directory: "", settings: settings, epoch: .random())
            } catch {
                fatalError("\(error)")
            }
        }
    }

    /// What happened, for whoever looks for the reason of a problem.
    private(set) var history: [String] = []

    private func note(_ text: @autoclosure () -> String) {
        if isRecording { history.append(text()) }
    }

    private func fail(_ text: String) { if problems.count < 3 { problems.append(text) } }

    // MARK: The gateway

    func reload(_ configurations: [Configuration]) {
        scheduler.spawn("reloads", configurations.map { [self] next in { self.begin(next) } })
    }

    private func begin(_ next: Configuration) -> Scheduler.Outcome {
        let previous = current
        note("reload \(next)")
        var successor: Exporter?
        if let version = next.version {
            successor = previous?.version == version ? previous : make(version)
        }
        var steps: [Scheduler.Step] = []
        for (index, log) in logs.enumerated() where next.feeds[index] {
            guard let successor else { break }
            steps.append {
                successor.queue.add(
                    log, of: .traces, cursor: Self.cursor, start: .end, isSkippable: false)
                return .done
            }
        }
        if next.fails {
            guard let successor else { return .done }
            guard successor === previous else {
                return .then(steps + end(successor, .leave(isUndone: true), mayTimeOut: true))
            }
            // What it claimed for the new configuration is not for it after all.
            for (index, log) in logs.enumerated() where next.feeds[index] && !successor.feeds[index]
            {
                steps.append {
                    successor.queue.endAtPresent(log)
                    return .done
                }
            }
            return .then(steps)
        }
        steps.append { [self] in
            current = successor
            current?.feeds = next.feeds
            return .then(replace(previous, by: successor, next))
        }
        return .then(steps)
    }

    private func make(_ version: Int) -> Exporter {
        exportersEver += 1
        let grants = grants
        let queue = ExportQueue(.none) { grant in grants.waiting.withLock { $0.append(grant) } }
        let exporter = Exporter(
            number: exportersEver, version: version, queue: queue, consumers: consumers)
        for number in 0..<consumers {
            scheduler.spawn(
                "consumer \(exporter.number).\(number)", isServant: true,
                [{ [self] in consume(exporter) }])
        }
        return exporter
    }

    /// `Gateway.retire`.
    private func replace(
        _ previous: Exporter?, by successor: Exporter?, _ next: Configuration
    ) -> [Scheduler.Step] {
        var steps: [Scheduler.Step] = []
        for old in [previous].compactMap(\.self) + retiring {
            if let successor, successor !== old {
                steps += end(old, .leave(isUndone: false), mayTimeOut: true)
            }
            let reader = successor ?? old
            for (index, log) in logs.enumerated() where !(successor != nil && next.feeds[index]) {
                steps.append { [self] in
                    note("exporter \(reader.number) ends \(index)")
                    reader.queue.endAtPresent(log)
                    return .done
                }
            }
        }
        for (index, log) in logs.enumerated() where !next.feeds[index] {
            guard let successor else { break }
            steps.append {
                guard log.hasRest(of: Self.cursor) else { return .done }
                successor.queue.adopt(log, of: .traces, cursor: Self.cursor, isSkippable: false)
                return .done
            }
        }
        retiring.removeAll { $0.lifecycle.hasEnded }
        guard let previous, successor == nil else { return steps }
        retiring.append(previous)
        return steps + [
            { [self] in
                scheduler.spawn(
                    "retire \(previous.number)", end(previous, .finish, mayTimeOut: false))
                return .done
            }
        ]
    }

    // MARK: The delivery

    /// `Delivery.conclude`, and what leads to it.
    private func end(
        _ exporter: Exporter, _ event: DeliveryLifecycle.Event, mayTimeOut: Bool
    ) -> [Scheduler.Step] {
        var steps: [Scheduler.Step] = [{ [self] in handle(event, exporter) }]
        if mayTimeOut {
            steps.append { [self] in
                guard exporter.lifecycle.consumersRunning > 0, scheduler.choose(2) == 0
                else { return .done }
                return handle(.deadlinePassed, exporter)
            }
        }
        return steps + [
            { exporter.lifecycle.consumersRunning == 0 ? .done : .blocked },
            { exporter.queue.hasReservations ? .blocked : .done },
            { [self] in handle(.consumersGone, exporter) },
            { exporter.lifecycle.hasEnded ? .done : .blocked },
        ]
    }

    private func handle(
        _ event: DeliveryLifecycle.Event, _ exporter: Exporter
    ) -> Scheduler.Outcome {
        .then(
            exporter.lifecycle.handle(event).map { action in { [self] in perform(action, exporter) }
            })
    }

    private func perform(
        _ action: DeliveryLifecycle.Action, _ exporter: Exporter
    ) -> Scheduler.Outcome {
        note("exporter \(exporter.number): \(action)")
        switch action {
        case .closeQueue(let endsAtFailure): exporter.queue.close(endsAtFailure: endsAtFailure)
        case .stopQueue: exporter.queue.stop()
        case .wakeWaiters, .abortExporter, .joinThreads: break
        case .closeExporter:
            if exporter.isClosed { fail("exporter \(exporter.number) is closed twice") }
            exporter.isClosed = true
        case .release(let cursors):
            if cursors != .stay { return release(cursors, exporter) }
        case .reportEnd: return handle(.concluded, exporter)
        }
        return .done
    }

    private func release(
        _ cursors: DeliveryLifecycle.Cursors, _ exporter: Exporter
    ) -> Scheduler.Outcome {
        guard let next = exporter.queue.nextToRelease() else { return .done }
        return .then([
            {
                exporter.queue.release(next, cursors)
                return .done
            },
            { [self] in release(cursors, exporter) },
        ])
    }

    private func consume(_ exporter: Exporter) -> Scheduler.Outcome {
        switch exporter.queue.poll(LotLimits(batchesMax: 2)) {
        case .nothing: return .blocked
        case .ended: return handle(.consumerEnded, exporter)
        case .lot(let lot): return .then([{ [self] in attempt(lot, exporter) }])
        }
    }

    private func attempt(_ lot: Lot, _ exporter: Exporter) -> Scheduler.Outcome {
        guard !exporter.lifecycle.isOver else {
            _ = exporter.lifecycle.handle(.lotLeft)
            return .then([{ [self] in consume(exporter) }])
        }
        if exporter.isClosed { fail("exporter \(exporter.number) is used after it was closed") }
        return .then([
            { [self] in
                // The destination fails now and then.
                if failuresLeft > 0, scheduler.choose(4) == 1 {
                    failuresLeft -= 1
                    return .then([{ [self] in attempt(lot, exporter) }])
                }
                for batch in lot.batches {
                    let serial = Int(batch.payload[0]) | Int(batch.payload[1]) << 8
                    delivered.insert(serial)
                    note("\(serial) delivered by \(exporter.number)")
                    batch.settle(as: CursorTotals(exported: 1))
                }
                return .then([{ [self] in consume(exporter) }])
            }
        ])
    }

    // MARK: Others

    func client(records: Int) {
        let steps = (0..<records).map { number in { [self] in self.reserve(number) } }
        scheduler.spawn("client", steps)
    }

    /// `Pipeline.reserve` and `append`: of the graph that is current when the request comes.
    private func reserve(_ number: Int) -> Scheduler.Outcome {
        let index = scheduler.choose(2)
        let log = logs[index]
        serials += 1
        let serial = serials
        let payload = [UInt8(truncatingIfNeeded: serial), UInt8(truncatingIfNeeded: serial >> 8)]
        let record = LogRecord(signal: 0, itemCount: 1, receivedAt: 1, payload: payload)
        let size = BatchSize(items: 1, bytes: payload.count)
        guard let exporter = current, exporter.feeds[index] else { return .done }
        return .then([
            { [self] in
                guard log.reserve(bytes: record.bytesOnDisk) == nil else { return .done }
                guard exporter.queue.reserve(size, in: log) else {
                    log.cancel(bytes: record.bytesOnDisk)
                    return .done
                }
                return .then([
                    { [self] in
                        log.append(record) { _ in }
                        expected[index].insert(serial)
                        note("\(serial) into \(index) for \(exporter.number)")
                        return .done
                    },
                    {
                        exporter.queue.release(size, in: log)
                        return .done
                    },
                ])
            }
        ])
    }

    /// Cursors come to their queues when they like.
    func deliverGrants() {
        scheduler.spawn("grants", isServant: true, [{ [self] in handIn() }])
    }

    private func handIn() -> Scheduler.Outcome {
        let grant = grants.waiting.withLock { waiting in
            waiting.isEmpty ? nil : waiting.remove(at: scheduler.choose(waiting.count))
        }
        guard let grant else { return .blocked }
        note("a cursor is handed in")
        grant()
        return .then([{ [self] in handIn() }])
    }

    func operatorAbandons() {
        scheduler.spawn(
            "operator",
            logs.indices.map { index in
                { [self] in
                    if logs[index].abandonOrphan(Self.cursor) ?? 0 > 0 {
                        abandoned.formUnion(expected[index].subtracting(delivered))
                    }
                    return .done
                }
            })
    }

    // MARK: What must be true in the end

    func check(_ stuck: [String]) -> [String] {
        if !stuck.isEmpty { fail("wait for ever: \(stuck)") }
        for (index, log) in logs.enumerated() {
            let lost = expected[index].filter { !delivered.contains($0) && !abandoned.contains($0) }
            if !lost.isEmpty { fail("\(log.name): lost \(lost.sorted())") }
            let accounts = log.accounts.cursors
            for account in accounts {
                if !account.isBalanced { fail("\(log.name): \(account)") }
                if account.pending.items > 0 { fail("\(log.name): \(account.pending) wait") }
            }
            let isFed = current?.feeds[index] == true
            if accounts.contains(where: { !$0.isOrphan }) != isFed {
                fail("\(log.name): a cursor is \(isFed ? "missing" : "left open")")
            }
            if isFed, current?.queue.cursors.contains(where: { $0.log === log }) != true {
                fail("\(log.name): the exporter has no cursor")
            }
        }
        for exporter in retiring where !exporter.lifecycle.hasEnded {
            fail("exporter \(exporter.number) has not ended")
        }
        return problems
    }
}
