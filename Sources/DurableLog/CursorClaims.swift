import Platform

/// Somebody who wants a cursor of a log: it is granted at once, or when whoever has it gives it
/// back. Thrown away when it was granted or withdrawn.
public final class CursorClaim: Sendable {
    public let name: String
    let start: DurableLog.CursorStart
    let isSkippable: Bool
    let onAdvance: @Sendable (_ items: Int, _ bytes: Int) -> Void
    let onGranted: @Sendable (LogCursor) -> Void

    /// - Parameters:
    ///   - start: where a cursor begins that the log does not know.
    ///   - isSkippable: whether the log, when it is full, skips this cursor's oldest records. New
    ///     data is refused otherwise.
    ///   - onAdvance: is called on any thread when there is more to read, with how much more.
    ///   - onGranted: is called once, on any thread, without a lock of the log, unless the claim
    ///     is withdrawn before. Whoever gets a cursor gives it back by `close` or `remove`.
    public init(
        _ name: String, start: DurableLog.CursorStart = .end, isSkippable: Bool = false,
        onAdvance: @escaping @Sendable (_ items: Int, _ bytes: Int) -> Void,
        onGranted: @escaping @Sendable (LogCursor) -> Void
    ) {
        self.name = name
        self.start = start
        self.isSkippable = isSkippable
        self.onAdvance = onAdvance
        self.onGranted = onGranted
    }
}

/// Who has each cursor of a log, and who comes next: events in, answers out, used under the log's
/// lock.
///
///     free ── claim: granted ─▶ held ── give back, nobody waits ─▶ free
///                               │  ▲
///          claim, withdraw ─────┘  └── give back: granted to the first that waits
///
/// A cursor goes from hand to hand in the moment in which it is given back. So nobody opens one
/// twice, and nobody has to know who has it: an exporter that a reload puts back claims its
/// cursors, and gets them whenever the one before it is done with them.
struct CursorClaims<Claim: AnyObject> {
    /// The names of the cursors that are held, with those who wait in the order of their coming.
    private var waiting: [String: [Claim]] = [:]

    /// Whether the cursor is the claimant's from now on; it waits otherwise.
    mutating func claim(_ name: String, by claim: Claim) -> Bool {
        guard waiting[name] == nil else {
            waiting[name]?.append(claim)
            return false
        }
        waiting[name] = []
        return true
    }

    /// Its holder has done with it. Returns whose it is from now on; nil where it is free.
    mutating func giveBack(_ name: String) -> Claim? {
        guard var next = waiting[name], !next.isEmpty else {
            waiting[name] = nil
            return nil
        }
        let granted = next.removeFirst()
        waiting[name] = next
        return granted
    }

    /// Takes a claim back; false where it waits no more, because it was granted.
    mutating func withdraw(_ name: String, _ claim: Claim) -> Bool {
        guard let index = waiting[name]?.firstIndex(where: { $0 === claim }) else { return false }
        waiting[name]?.remove(at: index)
        return true
    }

    func isHeld(_ name: String) -> Bool { waiting[name] != nil }
    func isAwaited(_ name: String) -> Bool { waiting[name]?.isEmpty == false }
}

extension CursorClaims: Sendable where Claim: Sendable {}

extension DurableLog {
    /// Asks for the cursor of the claim's name: where it stood, or a new one.
    public func claim(_ claim: CursorClaim) {
        let cursor = state.withLock { state in
            state.claims.claim(claim.name, by: claim) ? grant(claim, &state) : nil
        }
        if let cursor { claim.onGranted(cursor) }
    }

    /// Takes a claim back that waits. One that was granted stays so: see ``CursorClaim``.
    public func withdraw(_ claim: CursorClaim) {
        state.withLock { _ = $0.claims.withdraw(claim.name, claim) }
    }

    private func grant(_ claim: CursorClaim, _ state: inout State) -> LogCursor {
        let saved = state.orphans.removeValue(forKey: claim.name)
        if saved == nil { state.hasNewCursors = true }
        let place = saved.map(state.place) ?? state.place(for: claim.start)
        let cursor = LogCursor(
            claim.name, of: self, place: place, pending: state.backlog(from: place),
            isNew: saved == nil, isSkippable: claim.isSkippable, onAdvance: claim.onAdvance)
        state.cursors.append(cursor)
        return cursor
    }

    /// Gives a cursor back. Its place is kept for whoever claims it next.
    public func close(_ cursor: LogCursor) { giveBack(cursor, keepsPlace: true) }

    /// Ends a cursor: its place is forgotten, and what it had not passed is no longer kept for it.
    /// Somebody who waits for it goes on where it stood: what came since is meant for that one.
    public func remove(_ cursor: LogCursor) {
        giveBack(cursor, keepsPlace: false)
        cursorMoved()
    }

    private func giveBack(_ cursor: LogCursor, keepsPlace: Bool) {
        let next = state.withLock { state -> (claim: CursorClaim, cursor: LogCursor)? in
            // A log that was closed has given up its cursors.
            guard let index = state.cursors.firstIndex(where: { $0 === cursor })
            else { return nil }
            state.cursors.remove(at: index)
            if keepsPlace || state.claims.isAwaited(cursor.name) {
                state.orphans[cursor.name] = cursor.place.saved
            }
            guard let claim = state.claims.giveBack(cursor.name) else { return nil }
            return (claim, grant(claim, &state))
        }
        if let next { next.claim.onGranted(next.cursor) }
    }
}
