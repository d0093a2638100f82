import HTTP
import HTTPServer
import OTLP
import Platform

/// Why a command cannot be done, in words for whoever gave it.
struct ControlError: Error {
    var status: HTTPStatus
    var reason: String

    init(_ status: HTTPStatus, _ reason: String) {
        self.status = status
        self.reason = reason
    }

    var response: HTTPResponse { .json(status, #"{"error":\#(OTLPJSON.quoted(reason))}"# + "\n") }
}

/// What `sluice`'s commands ask of a running gateway, through the socket in its data directory.
/// Who may connect to that may do all of it: the socket is its owner's alone.
final class ControlHandler: HTTPHandler {
    private unowned let gateway: Gateway

    init(gateway: Gateway) { self.gateway = gateway }

    func admit(_ head: HTTPRequestHead, from peer: SocketAddress) -> HTTPAdmission {
        let isRead = head.method == .get
        switch head.path {
        case "/flow" where isRead, "/log/replay" where isRead || head.method == .post,
            "/log/abandon" where head.method == .post,
            "/dead-letters/resend" where head.method == .post:
            return .accept(bodyBytesMax: 0)
        default:
            let reason = "this version of the gateway does not know this command"
            return .refuse(ControlError(.notFound, reason).response)
        }
    }

    func handle(_ request: consuming HTTPRequest, _ exchange: HTTPExchange) {
        let head = request.head
        do throws(ControlError) {
            exchange.respond(.json(.ok, try answer(head) + "\n"))
        } catch {
            exchange.respond(error.response)
        }
    }

    private func answer(_ head: HTTPRequestHead) throws(ControlError) -> String {
        let items = ControlQuery(head.target)
        switch (head.path, head.method) {
        case ("/flow", _): return gateway.flow.json
        case ("/log/abandon", _): return try gateway.abandon(try items.text("exporter"))
        case ("/dead-letters/resend", _):
            return try gateway.resend(to: try items.text("exporter")).json
        case ("/log/replay", .get):
            guard let replay = gateway.replays[try items.integer("replay")] else {
                throw ControlError(.notFound, "no such replay")
            }
            return replay.json
        default:
            let (from, to) = (try items.integer("from"), try items.integer("to"))
            guard 0 <= from, from < to else {
                throw ControlError(.badRequest, "--from must be before --to")
            }
            let request = Replay.Request(
                receivedAt: UInt64(from)..<UInt64(to), isForced: items["again"] == "true")
            return try gateway.replay(
                request, to: try items.text("exporter"), pipeline: items["pipeline"]
            ).json
        }
    }
}

/// The parameters of a command.
struct ControlQuery {
    private let items: [(name: String, value: String)]

    init(_ target: String) { items = HTTPTarget(target).queryItems }

    subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    func text(_ name: String) throws(ControlError) -> String {
        guard let value = self[name] else {
            throw ControlError(.badRequest, "'\(name)' is missing")
        }
        return value
    }

    func integer(_ name: String) throws(ControlError) -> Int {
        guard let value = Int(try text(name)) else {
            throw ControlError(.badRequest, "'\(name)' is no integer")
        }
        return value
    }
}
