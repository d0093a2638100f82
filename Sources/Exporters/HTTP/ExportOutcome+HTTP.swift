import HTTPClient
import Pipeline

extension ExportOutcome {
    /// Of a request that got no answer: only one that can't be written as HTTP never will be.
    init(_ error: HTTPClientError) {
        if case .invalidRequest = error.reason {
            self = .reject(because: "\(error)")
        } else {
            self = .retry(after: nil, because: "\(error)")
        }
    }

    /// The longest that a destination's `Retry-After` is heeded: one mistyped number must not stop
    /// an exporter for a day.
    static let retryAfterMax = Duration.seconds(600)

    /// As a destination asks for with a response that is not a success.
    static func retry(
        _ response: HTTPClientResponse, unixNanoseconds: UInt64, because reason: String
    ) -> ExportOutcome {
        let delay = response.retryAfter(unixNanoseconds: unixNanoseconds)
        return .retry(after: delay.map { min($0, retryAfterMax) }, because: reason)
    }
}
