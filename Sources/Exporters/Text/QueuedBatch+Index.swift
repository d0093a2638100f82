import Bytes
import OTLP
import Pipeline

extension QueuedBatch {
    /// Indexes the payload again: a queue holds bytes alone.
    func index(into index: inout TelemetryIndex) {
        do throws(WireError) {
            try index.rebuild(over: payload.rawSpan, as: signal)
        } catch {
            preconditionFailure("BUG: a queued payload is not valid: \(error)")
        }
    }
}
