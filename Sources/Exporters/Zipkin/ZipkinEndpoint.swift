internal import Glibc

/// One side of a span in Zipkin's model: a service's name, an address, a port.
struct ZipkinEndpoint: Equatable {
    var serviceName: String?
    var ipv4: String?
    var ipv6: String?
    var port: UInt16?

    var isEmpty: Bool { serviceName == nil && ipv4 == nil && ipv6 == nil }

    /// The side that recorded the span.
    static func local(_ tags: ZipkinTags, serviceName: String) -> ZipkinEndpoint {
        var endpoint = ZipkinEndpoint(serviceName: serviceName)
        for rank in localRanks {
            guard let address = tags[rank.address] else { continue }
            endpoint.setAddress(address)
            endpoint.port = rank.port.flatMap { tags[$0] }.flatMap { UInt16($0) }
            break
        }
        return endpoint
    }

    /// The other side, for a span that has one.
    ///
    /// The order is that of the OpenTelemetry specification's "OpenTelemetry to Zipkin". A server's
    /// or consumer's attributes such as `server.address` name itself: of its peer, only what says
    /// `peer` counts.
    static func remote(_ tags: ZipkinTags, kind: Int32) -> ZipkinEndpoint? {
        let isCaller = kind == 3 || kind == 4
        let ranks = isCaller ? callerRanks : kind == 2 || kind == 5 ? calleeRanks : []
        for rank in ranks {
            guard let name = tags[rank.address], !name.isEmpty else { continue }
            var endpoint = ZipkinEndpoint()
            endpoint.setAddress(name)
            if endpoint.isEmpty { endpoint.serviceName = name }
            endpoint.port = rank.port.flatMap { tags[$0] }.flatMap { UInt16($0) }
            return endpoint
        }
        return nil
    }

    private typealias Rank = (address: String, port: String?)

    private static let localRanks: [Rank] = [
        ("network.local.address", "network.local.port"),
        ("net.sock.host.addr", "net.sock.host.port"), ("net.host.ip", "net.host.port"),
    ]

    private static let callerRanks: [Rank] = [
        ("peer.service", nil), ("server.address", "server.port"),
        ("net.peer.name", "net.peer.port"), ("network.peer.address", "network.peer.port"),
        ("server.socket.domain", "server.socket.port"),
        ("server.socket.address", "server.socket.port"),
        ("net.sock.peer.name", "net.sock.peer.port"),
        ("net.sock.peer.addr", "net.sock.peer.port"), ("net.peer.ip", "net.peer.port"),
        ("peer.hostname", "peer.port"), ("peer.address", "peer.port"), ("db.name", nil),
    ]

    private static let calleeRanks: [Rank] = [
        ("peer.service", nil), ("network.peer.address", "network.peer.port"),
        ("net.sock.peer.addr", "net.sock.peer.port"), ("net.peer.ip", "net.peer.port"),
    ]

    private mutating func setAddress(_ text: String) {
        if Self.isAddress(text, AF_INET) {
            ipv4 = text
        } else if Self.isAddress(text, AF_INET6) {
            ipv6 = text
        }
    }

    private static func isAddress(_ text: String, _ family: CInt) -> Bool {
        var address = in6_addr()
        // SAFETY: inet_pton writes 4 or 16 bytes, which an in6_addr holds; Swift passes the text
        // as a C string for the length of the call.
        return unsafe inet_pton(family, text, &address) == 1
    }
}
