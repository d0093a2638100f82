import HTTP
import OTLP
import Pipeline
import Telemetry

/// What an accepted export request says of itself in its head.
struct OTLPRequest: Sendable {
    let body: OTLPBody
    let context: RequestContext
    /// Recorded where the client samples its trace.
    var span: IngestSpan?

    var signal: Signal { body.signal }
}

/// Why a request is not taken, and what the client is told.
struct OTLPFailure: Error, Sendable {
    var status: HTTPStatus
    var message: String
    var retryAfter: Duration?
    /// Of a 415: what would have been accepted.
    var acceptEncoding: String?
    /// Of a 405.
    var allow: String?
    /// Bad data, rather than too much or too early: where it is. The answer carries `BadRequest`.
    var badField: String?
    /// The key of the limit that the request has met.
    var limit: StaticString?

    static func badData(_ message: String, in field: String = "body") -> OTLPFailure {
        OTLPFailure(status: .badRequest, message: message, badField: field)
    }

    static func overloaded(_ message: String, retryAfter: Duration = .seconds(1)) -> OTLPFailure {
        OTLPFailure(status: .serviceUnavailable, message: message, retryAfter: retryAfter)
    }
}

extension OTLPFailure {
    init(_ refusal: Refusal) {
        switch refusal.kind {
        case .later: self = .overloaded(refusal.reason, retryAfter: refusal.retryAfter)
        case .tooLarge:
            self.init(
                status: .contentTooLarge, message: refusal.reason,
                limit: "service.limits.edit_growth")
        }
    }
}
