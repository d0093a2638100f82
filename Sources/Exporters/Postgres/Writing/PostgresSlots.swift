import Platform
import Synchronization

/// An exporter's sessions: so many at once, made when they are needed, and made anew when they
/// fail.
final class PostgresSlots: Sendable {
    private struct State {
        var idle: [PostgresSession] = []
        /// Slots without a session.
        var free: [Int]
        var isClosed = false
    }

    private let state: Monitor<State>
    /// Slots of this exporter's sessions that are gone: what may yet be committed through them.
    private let uncertain = Mutex<[Int]>([])
    /// Whether there is anything to be waited for, to be asked without the lock. At the start that
    /// is whatever exporters before this one have under way.
    private let isUncertain = Atomic(true)
    private let instance = PostgresSession.randomDigits()
    private let connector: PostgresConnector
    private let names: PostgresNames
    private let ledger: PostgresLedger
    /// Told that the database may be another than it was.
    private let whenLoaded: @Sendable (PostgresConnection) throws(PostgresError) -> Void
    /// Makes the schema what it has to be, the first time.
    private let prepare: @Sendable (PostgresConnection) throws(PostgresError) -> Void

    init(
        count: Int, _ connector: PostgresConnector, _ names: PostgresNames,
        _ ledger: PostgresLedger,
        prepare: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Void,
        whenLoaded: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Void
    ) {
        state = Monitor(State(free: Array((1...count).reversed())))
        self.connector = connector
        self.names = names
        self.ledger = ledger
        self.prepare = prepare
        self.whenLoaded = whenLoaded
    }

    /// A session that may write; waits for one. When it returns, all that could have been committed
    /// through sessions that were lost before is in the ledger.
    func take() throws(PostgresError) -> PostgresSession {
        let taken = state.wait { state -> Result<Either, PostgresError>? in
            if state.isClosed { return .failure(Self.closed) }
            if let session = state.idle.popLast() { return .success(.session(session)) }
            return state.free.popLast().map { .success(.slot($0)) }
        }
        switch taken {
        case .success(.session(let session)):
            guard isUncertain.load(ordering: .acquiring) else { return session }
            return try makeCertain(session)
        case .success(.slot(let slot)):
            let session: PostgresSession
            do throws(PostgresError) {
                session = try PostgresSession(slot: slot, of: instance, connector, names)
                try session.withConnection(prepare)
            } catch {
                release(slot: slot)
                throw error
            }
            return try makeCertain(session, isNew: true)
        case .failure(let error): throw error
        case nil: preconditionFailure("BUG: a wait without a deadline ended without a result")
        }
    }

    private enum Either {
        case session(PostgresSession)
        case slot(Int)
    }

    private static let closed = PostgresError(
        kind: .aborted, message: "the exporter is closed", operation: "connect")

    /// Has the session take its slot, if it is new, and wait for what may yet be committed.
    private func makeCertain(
        _ session: PostgresSession, isNew: Bool = false
    ) throws(PostgresError) -> PostgresSession {
        do throws(PostgresError) {
            try uncertain.withLock { uncertain throws(PostgresError) in
                guard isNew || isUncertain.load(ordering: .relaxed) else { return }
                // Until all of this is done: a slot that is held with an old ledger is no fence.
                isUncertain.store(true, ordering: .releasing)
                try session.takeSlot(andWaitFor: uncertain)
                // Before rows are made that count as made after the reading.
                try session.withConnection(whenLoaded)
                // Always: another exporter may have written through slots that were taken from it.
                try ledger.load { () throws(PostgresError) in try session.ledger() }
                uncertain = []
                isUncertain.store(false, ordering: .releasing)
            }
        } catch {
            give(back: session, after: error)
            throw error
        }
        return session
    }

    /// - Parameter error: what the session has failed with, if it has.
    func give(back session: PostgresSession, after error: PostgresError? = nil) {
        guard error?.endsSession == true else {
            state.withLock { $0.idle.append(session) }
            return state.notifyOne()
        }
        // Noted before the slot can be taken again.
        uncertain.withLock { uncertain in
            uncertain.append(session.slot)
            isUncertain.store(true, ordering: .releasing)
        }
        release(slot: session.slot)
    }

    private func release(slot: Int) {
        state.withLock { $0.free.append(slot) }
        state.notifyOne()
    }

    /// Closes what is idle. Nothing is taken any more.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.idle = []
        }
        state.notifyAll()
    }
}
