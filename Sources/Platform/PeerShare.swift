/// One peer's way to the memory that all share, for what becomes of a request. It may be kept and
/// passed between threads.
public struct PeerShare: Sendable {
    private let shares: PeerShares
    private let account: PeerShares.Account

    public init(_ shares: PeerShares, _ account: PeerShares.Account) {
        self.shares = shares
        self.account = account
    }

    /// Where there is no peer to share with.
    public init(whole budget: ByteBudget) {
        shares = PeerShares(budget)
        account = shares.open(.local)
    }

    public var budget: ByteBudget { shares.budget }
    public var peer: Peer { account.peer }

    /// Takes all of `bytes`, or nothing and returns `false`.
    ///
    /// - Parameter isSmall: all that the request takes is at most ``PeerShares/smallBytesMax``.
    public func reserve(_ bytes: Int, isSmall: Bool) -> Bool {
        shares.reserve(bytes, for: account, isSmall: isSmall)
    }

    /// Takes all of `bytes` for a request that has `held` already, or nothing.
    public func reserve(_ bytes: Int, besides held: Int) throws(ByteBudget.Shortage) {
        let (total, overflow) = held.addingReportingOverflow(bytes)
        let isSmall = !overflow && total <= PeerShares.smallBytesMax
        let largest = shares.largest(isSmall: isSmall)
        guard !overflow, total <= largest else { throw .never(limit: largest) }
        guard reserve(bytes, isSmall: isSmall) else { throw .later }
    }

    public func release(_ bytes: Int) { shares.release(bytes, for: account) }
}
