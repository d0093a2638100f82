/// What a client speaks that has come to the wrong port, found out by its first bytes.
///
/// Each of them begins like no HTTP/1.1 request that is taken, so that nothing is guessed. All get
/// an answer of HTTP/1.1: clients of TLS and of HTTP/2 know its first bytes, and say so, where an
/// alert or a GOAWAY would send their users to look at ciphers and streams.
public enum ForeignProtocol: Hashable, Sendable {
    /// A TLS record that holds a handshake (RFC 8446, 5.1).
    case tls
    /// HTTP/2 with prior knowledge (RFC 9113, 3.4), which is how gRPC clients begin.
    case http2
    /// HAProxy's PROXY protocol, version 1 or 2, before the request.
    case proxy

    /// The type of a TLS record that holds a handshake: no method begins with it.
    static let tlsHandshake: UInt8 = 0x16

    /// The request line of HTTP/2's preface.
    static let http2Line: StaticString = "PRI * HTTP/2.0"

    /// What the request line belongs to, where it is none.
    init?(requestLine line: RawSpan) {
        // Version 2 of PROXY: CR LF, CR LF, NUL CR LF, QUIT LF. Empty lines were skipped.
        if line.byteCount == 1, line.byte(at: 0) == 0 {
            self = .proxy
        } else if line.begins(with: Self.http2Line) {
            self = .http2
        } else if line.begins(with: "PROXY TCP") || line.begins(with: "PROXY UNKNOWN") {
            self = .proxy
        } else {
            return nil
        }
    }

    /// For the log.
    public var name: String {
        switch self {
        case .tls: "TLS"
        case .http2: "HTTP/2, as gRPC does"
        case .proxy: "the PROXY protocol"
        }
    }

    /// What whoever runs the client, or the proxy, can do.
    public var advice: String {
        switch self {
        case .tls:
            "this port is plain HTTP: use http:// in the client, or end TLS in a proxy before it"
        case .http2:
            "this port is OTLP over HTTP/1.1: use the client's http/protobuf or http/json exporter"
        case .proxy:
            "this port takes no PROXY header: turn it off in the load balancer"
        }
    }
}

extension RawSpan {
    fileprivate func begins(with text: StaticString) -> Bool {
        guard byteCount >= text.utf8CodeUnitCount else { return false }
        return extracting(..<text.utf8CodeUnitCount).makeString() == text.description
    }
}
