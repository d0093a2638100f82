/// Who a client is, for its share of what is scarce. Behind a load balancer all clients are one.
public enum Peer: Hashable, Sendable {
    /// In network order, as a number.
    case ipv4(UInt32)
    /// The first 64 bits of the address: what one customer of a provider is given at least.
    case ipv6(UInt64)
    /// Whoever may open the Unix socket.
    case local

    /// By its address. Authentication will bring names in place of addresses.
    public init(_ address: SocketAddress) {
        switch address {
        case .ipv4(let address, _): self = .ipv4(address)
        // An IPv4 client of a socket for both families (RFC 4291, 2.5.5.2).
        case .ipv6(0, let low, _, _) where low >> 32 == 0xFFFF:
            self = .ipv4(UInt32(truncatingIfNeeded: low))
        case .ipv6(let high, _, _, _): self = .ipv6(high)
        case .unix: self = .local
        }
    }
}
