import Configuration
import HTTP
import OTLP

/// Writes the answers of OTLP/HTTP, in the encoding of the request.
struct OTLPAnswers: Sendable {
    private let crossOrigin: CrossOrigin?
    private let responseHeaders: [HTTPField]

    init(_ settings: OTLPReceiverSettings) {
        crossOrigin = settings.cors.map(CrossOrigin.init)
        responseHeaders = settings.responseHeaders.map {
            HTTPField(name: $0.name, value: $0.value.reveal())
        }
    }

    /// For a 405.
    var allowedMethods: String { crossOrigin == nil ? "POST" : "POST, OPTIONS" }

    func preflight(_ head: HTTPRequestHead) -> HTTPResponse? { crossOrigin?.preflight(head) }

    /// 200, with `partial_success` where items were rejected.
    func success(
        _ answer: ExportResponse, to request: OTLPRequest, answering head: HTTPRequestHead
    ) -> HTTPResponse {
        let body = answer.encoded(request.body.content, signal: request.signal)
        return finish(.ok, request.body.content, body, answering: head)
    }

    /// Any other status: a `google.rpc.Status`, in JSON where the request named no encoding of
    /// ours.
    func failure(_ failure: OTLPFailure, answering head: HTTPRequestHead?) -> HTTPResponse {
        let content = BodyEncoding(contentType: head?.headers["Content-Type"]) ?? .json
        var status = RPCStatus(failure.rpcCode, failure.message, retryDelay: failure.retryAfter)
        if let field = failure.badField {
            status.violations = [.init(field: field, description: failure.message)]
        }
        var response = finish(
            failure.status, content, status.encoded(content), answering: head)
        if let delay = failure.retryAfter {
            response.headers["Retry-After"] = String(max(1, delay.components.seconds))
        }
        if let names = failure.acceptEncoding { response.headers["Accept-Encoding"] = names }
        if let allow = failure.allow { response.headers["Allow"] = allow }
        return response
    }

    private func finish(
        _ status: HTTPStatus, _ content: BodyEncoding, _ body: [UInt8],
        answering head: HTTPRequestHead?
    ) -> HTTPResponse {
        var response = HTTPResponse(
            status: status, headers: ["Content-Type": content.contentType], body: body)
        response.headers.fields += responseHeaders
        if let head { crossOrigin?.mark(&response, answering: head) }
        return response
    }
}

extension OTLPFailure {
    /// The `google.rpc.Code` that goes with the HTTP status.
    var rpcCode: RPCStatus.Code {
        switch status.code {
        case 400, 411, 414, 415, 417, 431: .invalidArgument
        case 404: .notFound
        case 405, 501, 505: .unimplemented
        case 408: .deadlineExceeded
        case 413, 429: .resourceExhausted
        case 503: .unavailable
        default: .internal
        }
    }
}
