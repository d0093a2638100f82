import Platform
import Testing

@Suite struct PeerSharesTests {
    private let clock = ManualClock()
    private let shares: PeerShares
    private let first: PeerShares.Account
    private let second: PeerShares.Account

    init() {
        shares = PeerShares(ByteBudget(limit: 800), clock: clock)
        first = shares.open(.ipv4(1))
        second = shares.open(.ipv4(2))
    }

    @Test(arguments: [
        (SocketAddress.ipv4(7, port: 1), SocketAddress.ipv4(7, port: 2), true),
        (.ipv4(7, port: 1), .ipv4(8, port: 1), false),
        (.ipv6(7, 1, port: 1, scope: 0), .ipv6(7, 2, port: 1, scope: 0), true),
        (.ipv6(7, 1, port: 1, scope: 0), .ipv6(8, 1, port: 1, scope: 0), false),
        (.ipv4(7, port: 1), .ipv6(0, 0xFFFF_0000_0007, port: 1, scope: 0), true),
        (
            .ipv6(0, 0xFFFF_0000_0007, port: 1, scope: 0),
            .ipv6(0, 0xFFFF_0000_0008, port: 1, scope: 0), false
        ),
        (.unix(""), .unix("/x"), true),
    ])
    func `A peer is an address, or the network of an IPv6 address`(
        one: SocketAddress, other: SocketAddress, isSame: Bool
    ) {
        #expect((Peer(one) == Peer(other)) == isSame)
    }

    @Test func `Alone a peer may have all, but for what is kept for small requests`() {
        #expect(shares.reserve(700, for: first, isSmall: false))
        #expect(!shares.reserve(1, for: first, isSmall: false))
        #expect(shares.reserve(100, for: first, isSmall: true))
        #expect(!shares.reserve(1, for: first, isSmall: true))
        #expect(!shares.reserve(.max, for: first, isSmall: true))
        #expect(first.used == 800 && shares.isScarce)
    }

    @Test func `The kept part is for those below their share`() {
        #expect(shares.reserve(690, for: first, isSmall: true))
        #expect(shares.reserve(20, for: second, isSmall: true))
        clock.advance(by: .seconds(1))
        #expect(!shares.reserve(20, for: first, isSmall: true))
        #expect(shares.reserve(80, for: second, isSmall: true))
    }

    @Test func `Who has more than its share gives way once another was refused`() {
        #expect(shares.reserve(700, for: first, isSmall: false))
        #expect(!shares.reserve(300, for: second, isSmall: false))
        // A body that grows is refused now, and gives back what it had.
        clock.advance(by: .seconds(1))
        shares.release(300, for: first)
        #expect(!shares.reserve(1, for: first, isSmall: true))
        #expect(shares.reserve(300, for: second, isSmall: false))
        shares.release(300, for: first)
        #expect(shares.reserve(100, for: first, isSmall: false))
    }

    @Test func `Once nobody else wants anything a peer may have all again`() {
        #expect(shares.reserve(700, for: first, isSmall: false))
        #expect(!shares.reserve(300, for: second, isSmall: false))
        shares.release(200, for: first)
        #expect(!shares.reserve(200, for: first, isSmall: false))
        clock.advance(by: .seconds(6))
        #expect(shares.reserve(200, for: first, isSmall: false))
    }

    @Test func `An account lives as long as its users`() {
        #expect(shares.open(.ipv4(1)) === first && first.users == 2)
        shares.close(first)
        shares.close(first)
        #expect(shares.open(.ipv4(1)) !== first)
    }
}
