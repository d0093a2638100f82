import Bytes
import OTLP
import Pipeline

extension QueuedBatch {
    /// Says where the items stand: a queue holds bytes alone. They were validated when they came.
    func index(into index: inout TelemetryIndex) {
        do throws(WireError) {
            try index.rebuildOutline(over: payload.rawSpan, as: signal)
        } catch {
            preconditionFailure("BUG: a queued payload is not valid: \(error)")
        }
    }
}
