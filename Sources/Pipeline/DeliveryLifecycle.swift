/// What becomes of a delivery from its start to its end: events in, actions out. It knows no thread
/// and no time; whoever asks for an end performs the actions, in their order.
///
///     delivering ── finish ─▶ finishing ─┐
///         │  │                │  │       │        every consumer has ended
///         │  └── leave ───────┼──┴▶ leaving ───────────┐
///         │                   │          │             ▼
///         └── drain ──────────┴▶ draining ──▶ … ─▶ concluding ─▶ ended
///                                   │                  ▲
///                                   └─▶ aborted ───────┘
///
/// Several threads may ask for an end at once: a reload that puts an exporter back (`leave`) while
/// the thread that a reload before it started waits for the rest (`finish`), or the end of the
/// process (`drain`). The last word is that of ``Phase``, and exactly one of them concludes.
struct DeliveryLifecycle: Equatable, Sendable {
    enum Phase: Equatable, Sendable {
        case delivering
        /// Gone from the configuration: what the logs have for it is delivered, however long that
        /// takes.
        case finishing
        /// Nothing comes after what the queue holds, and there is a deadline: pauses are short.
        /// What is on the disk is left there at its first failure.
        case draining
        /// What is not delivered now is left where it is; what is in memory alone is lost.
        case aborted
        /// As before, but another exporter goes on with all of it.
        case leaving
    }

    /// What happens to the cursors when nobody uses them any more.
    enum Cursors: Equatable, Sendable {
        /// The log ends with the process, and saves them.
        case stay
        /// Given back, with their places.
        case giveBack
        /// As if it had never been there: those that were new are ended.
        case undo
        /// Ended, wherever they stand: the log is in memory, and nobody comes for the rest.
        case end
    }

    enum Event: Equatable, Sendable {
        case finish
        /// - Parameter endsCursors: nobody comes after it.
        case drain(endsCursors: Bool)
        /// - Parameter isUndone: it has never been part of a configuration that runs.
        case leave(isUndone: Bool)
        /// The time to leave or to drain is over.
        case deadlinePassed
        /// A lot was left undelivered for lack of time.
        case lotLeft
        case consumerEnded
        /// Whoever waits for the end saw that no consumer is left.
        case consumersGone
        case concluded
    }

    enum Action: Equatable, Sendable {
        /// Nothing new comes into the queue; what it holds is handed out, what cannot be read now
        /// only where there is time to wait for it.
        case closeQueue(endsAtFailure: Bool)
        /// Nothing more is handed out.
        case stopQueue
        case wakeWaiters
        case abortExporter
        case joinThreads
        case closeExporter
        case release(Cursors)
        /// Comes last: to report ``Event/concluded``.
        case reportEnd
    }

    private enum End: Equatable, Sendable {
        case isFar, isConcluding, hasCome
    }

    private(set) var phase = Phase.delivering
    private(set) var consumersRunning: Int
    private var end = End.isFar
    private var endsCursors = false
    private var isUndone = false
    private var isExporterAborted = false

    init(consumers: Int = 0) { consumersRunning = consumers }

    var hasEnded: Bool { end == .hasCome }
    /// Whether lots are not to be tried (again).
    var isOver: Bool { phase == .aborted || phase == .leaving }

    mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .finish: return finish()
        case .drain(let endsCursors): return drain(endsCursors)
        case .leave(let isUndone): return leave(isUndone)
        case .deadlinePassed: return abort()
        case .lotLeft:
            if phase == .draining { phase = .aborted }
            return []
        case .consumerEnded:
            consumersRunning -= 1
            return [.wakeWaiters]
        case .consumersGone: return conclude()
        case .concluded:
            end = .hasCome
            return [.wakeWaiters]
        }
    }

    private mutating func finish() -> [Action] {
        switch phase {
        case .delivering:
            phase = .finishing
            return [.closeQueue(endsAtFailure: false)]
        case .finishing, .draining, .aborted, .leaving: return []
        }
    }

    private mutating func drain(_ endsCursors: Bool) -> [Action] {
        switch phase {
        case .delivering, .finishing:
            phase = .draining
            self.endsCursors = endsCursors
            return [.closeQueue(endsAtFailure: true), .wakeWaiters]
        case .draining, .aborted, .leaving: return []
        }
    }

    private mutating func leave(_ isUndone: Bool) -> [Action] {
        self.isUndone = isUndone
        switch phase {
        case .delivering, .finishing, .draining, .aborted:
            phase = .leaving
            return [.stopQueue, .wakeWaiters]
        case .leaving: return []
        }
    }

    private mutating func abort() -> [Action] {
        switch phase {
        case .delivering, .finishing: return []
        case .draining: phase = .aborted
        case .aborted, .leaving: break
        }
        guard !isExporterAborted, consumersRunning > 0 else { return [.wakeWaiters] }
        isExporterAborted = true
        return [.wakeWaiters, .abortExporter]
    }

    private mutating func conclude() -> [Action] {
        guard end == .isFar, consumersRunning == 0 else { return [] }
        end = .isConcluding
        return [.joinThreads, .closeExporter, .release(cursors), .reportEnd]
    }

    private var cursors: Cursors {
        switch phase {
        case .delivering, .finishing: .giveBack
        case .leaving: isUndone ? .undo : .giveBack
        case .draining, .aborted: endsCursors ? .end : .stay
        }
    }
}
