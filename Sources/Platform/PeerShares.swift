internal import Synchronization

/// Shares of one `ByteBudget` for peers, which bind only while there is not enough for all.
///
/// 1. Alone a peer may have everything, but for a part that is kept for small requests.
/// 2. While several are active, the kept part is for those that have less than their share: the
///    limit, divided by the number of active peers.
/// 3. For a while after one with less than its share was refused, nobody with more gets anything.
///    Bodies grow as they arrive, so that what the others hold goes with their next bytes.
///
/// Below half of the limit none of this is looked at.
public final class PeerShares: Sendable {
    /// What one peer has. Its user opens it, and closes it as often.
    public final class Account: Sendable {
        public let peer: Peer
        fileprivate let usedBytes = Atomic<Int>(0)
        /// When it last asked while there was little, in nanoseconds.
        fileprivate let activeAt = Atomic<UInt64>(0)
        /// Guarded by the lock of `accounts`.
        fileprivate let userCount = Atomic<Int>(0)

        fileprivate init(_ peer: Peer) { self.peer = peer }

        fileprivate func isActive(at now: Instant) -> Bool {
            let last = activeAt.load(ordering: .relaxed)
            return used > 0 || last > 0 && now - Instant(nanoseconds: last) < PeerShares.memory
        }

        public var used: Int { usedBytes.load(ordering: .relaxed) }
        /// Connections, as a rule.
        public var users: Int { userCount.load(ordering: .relaxed) }
    }

    public let budget: ByteBudget
    /// Of the limit: for small requests alone.
    public let keptBytes: Int
    private let clock: any Clock
    private let accounts = Mutex<[Peer: Account]>([:])
    /// Until then somebody with less than its share has been refused lately, in nanoseconds.
    private let contendedUntil = Atomic<UInt64>(0)
    private let counted = Mutex(Counted())
    private let refusedForRoom = Atomic<Int>(0)
    private let refusedForShare = Atomic<Int>(0)

    private struct Counted {
        var active = 1
        var at: Instant?
    }

    /// A request that is no larger is small: what SDKs send, nearly always.
    public static let smallBytesMax = 1 << 20
    /// How long a refusal is remembered, and a peer counts as active after it has asked.
    static let memory = Duration.seconds(5)
    /// Active peers are counted again after so long.
    private static let countInterval = Duration.milliseconds(50)

    public init(_ budget: ByteBudget, clock: any Clock = SystemClock()) {
        self.budget = budget
        self.clock = clock
        keptBytes = budget.limit / 8
    }

    /// To be closed again.
    public func open(_ peer: Peer) -> Account {
        accounts.withLock { accounts in
            let account = accounts[peer] ?? Account(peer)
            if account.userCount.add(1, ordering: .relaxed).newValue == 1 {
                accounts[peer] = account
            }
            return account
        }
    }

    /// What is still reserved may be released later.
    public func close(_ account: Account) {
        accounts.withLock { accounts in
            guard account.userCount.subtract(1, ordering: .relaxed).newValue == 0 else { return }
            accounts[account.peer] = nil
        }
    }

    /// Takes all of `bytes`, or nothing and returns `false`.
    ///
    /// - Parameter isSmall: the whole request has at most ``smallBytesMax``.
    public func reserve(_ bytes: Int, for account: Account, isSmall: Bool) -> Bool {
        // Saturates: what is refused for its size alone may be any number.
        let (wanted, overflow) = budget.used.addingReportingOverflow(bytes)
        let total = overflow ? Int.max : wanted
        guard total <= budget.limit / 2 || mayTake(bytes, total, account, isSmall: isSmall) else {
            return false
        }
        guard budget.reserve(bytes) else {
            refusedForRoom.add(1, ordering: .relaxed)
            return false
        }
        account.usedBytes.add(bytes, ordering: .relaxed)
        return true
    }

    public func release(_ bytes: Int, for account: Account) {
        account.usedBytes.subtract(bytes, ordering: .relaxed)
        budget.release(bytes)
    }

    /// The most that one request can ever have.
    public func largest(isSmall: Bool) -> Int {
        isSmall ? budget.limit : budget.limit - keptBytes
    }

    /// Large requests are refused, and so small ones soon may be: what holds memory and does not
    /// move should go.
    public var isScarce: Bool { budget.used > budget.limit - keptBytes }

    /// Nearly all of the limit has been in use for longer than a moment, so that new requests are
    /// refused, or as good as.
    public func isFull(at now: Instant) -> Bool {
        budget.fullSince.map { now - $0 >= RefusalStreak.moment } ?? false
    }

    /// Refused because there was no room at all, and because others had less than their share.
    public var refusedCounts: (room: Int, share: Int) {
        (
            refusedForRoom.load(ordering: .relaxed), refusedForShare.load(ordering: .relaxed)
        )
    }

    // MARK: - While there is little

    private func mayTake(
        _ bytes: Int, _ total: Int, _ account: Account, isSmall: Bool
    ) -> Bool {
        let now = clock.now
        let isNew = !account.isActive(at: now)
        account.activeAt.store(now.nanoseconds, ordering: .relaxed)
        let active = activeCount(now, isOneMore: isNew)
        let share = budget.limit / active
        let isOverShare = account.used > share - min(bytes, share)
        let isInKeptPart = total > budget.limit - keptBytes
        if isOverShare, active > 1, isInKeptPart || isContended(now) {
            refusedForShare.add(1, ordering: .relaxed)
            return false
        }
        if total <= budget.limit, isSmall || !isInKeptPart { return true }
        refusedForRoom.add(1, ordering: .relaxed)
        if !isOverShare, active > 1 {
            contendedUntil.store((now + Self.memory).nanoseconds, ordering: .relaxed)
        }
        return false
    }

    private func isContended(_ now: Instant) -> Bool {
        now.nanoseconds < contendedUntil.load(ordering: .relaxed)
    }

    /// Those that hold something or have asked lately; at least 1.
    ///
    /// All are looked at now and then; in between one that is new only adds to the number.
    private func activeCount(_ now: Instant, isOneMore: Bool) -> Int {
        counted.withLock { counted in
            if let at = counted.at, now - at < Self.countInterval {
                if isOneMore { counted.active += 1 }
                return counted.active
            }
            counted.at = now
            let active = accounts.withLock { $0.values.count { $0.isActive(at: now) } }
            counted.active = max(1, active)
            return counted.active
        }
    }
}
