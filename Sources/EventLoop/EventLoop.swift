public import Platform
internal import Synchronization

/// What is registered with a loop. All calls come on the loop's thread.
public protocol EventHandler: AnyObject {
    func eventsArrived(_ events: Events)
    func deadlinePassed()
}

/// What is called once at the end of a turn.
public protocol TurnHandler: AnyObject {
    func turnEnds()
}

/// One thread that waits on many descriptors and runs what happens to them to completion.
///
/// Other threads may call `execute`, `isCurrent` and `stop`; all else belongs to the loop's thread.
public final class EventLoop: @unchecked Sendable {
    // SAFETY: `core` is touched only on the loop's thread (checked by `onLoop`); all other stored
    // properties are immutable and Sendable.
    private let core: LoopCore
    private let mailbox: Mailbox<@Sendable () -> Void>
    private let threadToken = Atomic<UInt>(0)
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<Thread?>(nil)
    public let clock: any Clock

    /// Starts the loop's thread.
    public init(name: String, clock: any Clock = SystemClock()) throws(SystemError) {
        self.clock = clock
        // Unbounded by itself: what is posted is an answer to a request in flight, which the
        // servers bound, or one of a few commands. None of them may be lost.
        mailbox = try Mailbox(messagesMax: .max)
        core = try LoopCore(mailboxDescriptor: mailbox.rawDescriptor)
        let started = try Thread(name: name) { self.run() }
        thread.withLock { $0 = started }
    }

    /// Ends the thread and waits for it. What is still registered is let go without a call.
    public func stop() {
        isStopping.store(true, ordering: .releasing)
        mailbox.post {}
        let thread = thread.withLock { $0.take() }
        thread?.join()
    }

    /// True on the loop's thread.
    public var isCurrent: Bool { threadToken.load(ordering: .relaxed) == currentThreadToken() }

    /// Runs `job` on the loop's thread, soon; from any thread, in the order of the calls.
    public func execute(_ job: @escaping @Sendable () -> Void) {
        mailbox.post(job)
    }

    // MARK: - On the loop's thread

    /// Time, read once a turn: as exact as timeouts need, and free.
    public var now: Instant { onLoop.now }

    /// Watches `fd`, which must stay open until `deregister`.
    public func register(
        _ fd: CInt, _ events: Events, _ handler: any EventHandler
    ) throws(SystemError) -> RegistrationID {
        try onLoop.register(fd, events, handler)
    }

    /// A registration without a descriptor, for a deadline alone.
    func registerTimer(_ handler: any EventHandler) -> RegistrationID {
        onLoop.registerTimer(handler)
    }

    public func setEvents(_ id: RegistrationID, _ events: Events) throws(SystemError) {
        try onLoop.setEvents(id, events)
    }

    /// After `deadline` the handler's `deadlinePassed` is called, once. `nil` takes it away.
    public func setDeadline(_ id: RegistrationID, _ deadline: Instant?) {
        onLoop.setDeadline(id, deadline)
    }

    /// Lets go of the handler; no call to it follows.
    public func deregister(_ id: RegistrationID) {
        onLoop.deregister(id)
    }

    /// Calls `handler` when everything that happened in this turn is handled, or when the turn has
    /// taken `EventLoop.turnMax`.
    ///
    /// For what wakes others, such as an answer: each who is woken in the middle of a turn takes
    /// the processor away from the rest of it. At the end all are woken in a row.
    public func atTurnsEnd(_ handler: any TurnHandler) {
        onLoop.atTurnsEnd(handler)
    }

    /// How long `atTurnsEnd` waits, beside the one event that is being handled.
    public static let turnMax = Duration.microseconds(500)

    /// One buffer for all connections of the loop: bytes stay in it only while a handler runs, so
    /// an idle connection needs none.
    public func withReceiveBuffer<Result>(_ body: (inout [UInt8]) -> Result) -> Result {
        let core = onLoop
        var buffer: [UInt8] = []
        swap(&buffer, &core.receiveBuffer)
        defer {
            buffer.removeAll(keepingCapacity: true)
            swap(&buffer, &core.receiveBuffer)
        }
        return body(&buffer)
    }

    private var onLoop: LoopCore {
        precondition(isCurrent, "BUG: a loop's state was touched from another thread")
        return core
    }

    private func run() {
        threadToken.store(currentThreadToken(), ordering: .relaxed)
        core.now = clock.now
        while !isStopping.load(ordering: .acquiring) {
            let hasMail = core.turn(at: clock)
            if hasMail { for job in mailbox.takeAll() { job() } }
            core.endTurn()
        }
        core.removeAll()
        // The system gives a thread that comes later the same token.
        threadToken.store(0, ordering: .relaxed)
    }
}

/// The state of a loop, of its thread alone.
final class LoopCore {
    private struct Slot {
        var handler: (any EventHandler)?
        /// `nil` for a timer.
        var fd: CInt?
        var generation: UInt32 = 0
    }

    /// The mailbox's id: no slot ever has this number.
    private static let mailboxID = RegistrationID(slot: Int(UInt32.max), generation: 0)

    private let poller: Poller
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var generation: UInt32 = 0
    private var timers = TimerHeap()
    private var turnHandlers: [any TurnHandler] = []
    var receiveBuffer: [UInt8] = []
    var now = Instant(nanoseconds: 0)

    init(mailboxDescriptor: CInt) throws(SystemError) {
        poller = try Poller()
        try poller.add(mailboxDescriptor, .readable, LoopCore.mailboxID)
    }

    /// Waits once and handles what happened; true when there is mail.
    func turn(at clock: any Clock) -> Bool {
        var hasMail = false
        var hasTime = false
        let timeout = timers.next.map { $0.pollTimeout(from: clock.now) } ?? -1
        do throws(SystemError) {
            try poller.wait(timeout: timeout) { id, events in
                if !hasTime { now = clock.now }
                hasTime = true
                if id == LoopCore.mailboxID {
                    hasMail = true
                } else {
                    // A handler that went away earlier in this turn leaves a stale event behind.
                    handler(id)?.eventsArrived(events)
                    endLongTurn(at: clock)
                }
            }
        } catch {
            preconditionFailure("BUG: epoll_wait refused our own descriptor: \(error)")
        }
        now = clock.now
        while let slot = timers.popExpired(at: now) { slots[slot].handler?.deadlinePassed() }
        return hasMail
    }

    func atTurnsEnd(_ handler: any TurnHandler) { turnHandlers.append(handler) }

    func endTurn() {
        while !turnHandlers.isEmpty {
            var handlers: [any TurnHandler] = []
            swap(&handlers, &turnHandlers)
            for handler in handlers { handler.turnEnds() }
        }
    }

    private func endLongTurn(at clock: any Clock) {
        guard !turnHandlers.isEmpty else { return }
        let time = clock.now
        guard time - now >= EventLoop.turnMax else { return }
        now = time
        endTurn()
    }

    func register(
        _ fd: CInt, _ events: Events, _ handler: any EventHandler
    ) throws(SystemError) -> RegistrationID {
        let id = takeSlot()
        do throws(SystemError) {
            try poller.add(fd, events, id)
        } catch {
            freeSlots.append(id.slot)
            throw error
        }
        slots[id.slot] = Slot(handler: handler, fd: fd, generation: id.generation)
        return id
    }

    func registerTimer(_ handler: any EventHandler) -> RegistrationID {
        let id = takeSlot()
        slots[id.slot] = Slot(handler: handler, fd: nil, generation: id.generation)
        return id
    }

    private func takeSlot() -> RegistrationID {
        generation &+= 1
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count { slots.append(Slot()) }
        return RegistrationID(slot: slot, generation: generation)
    }

    func setEvents(_ id: RegistrationID, _ events: Events) throws(SystemError) {
        guard handler(id) != nil, let fd = slots[id.slot].fd else { return }
        try poller.modify(fd, events, id)
    }

    func setDeadline(_ id: RegistrationID, _ deadline: Instant?) {
        guard handler(id) != nil else { return }
        timers.set(id.slot, deadline)
    }

    func deregister(_ id: RegistrationID) {
        guard handler(id) != nil else { return }
        // The descriptor is open (register's condition), so there is nothing that could fail.
        if let fd = slots[id.slot].fd { try? poller.remove(fd) }
        timers.set(id.slot, nil)
        slots[id.slot] = Slot()
        freeSlots.append(id.slot)
    }

    func removeAll() {
        slots = []
        freeSlots = []
        timers = TimerHeap()
    }

    private func handler(_ id: RegistrationID) -> (any EventHandler)? {
        guard id.slot < slots.count, slots[id.slot].generation == id.generation else { return nil }
        return slots[id.slot].handler
    }
}
