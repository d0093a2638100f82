import Bytes
import OTLP
import Pipeline

extension QueuedBatch {
    /// Says where the items stand: a queue holds bytes alone.
    ///
    /// - Throws: `WireError` where they are not what this version takes. They were validated when
    ///   they came, but another version may have done so.
    func index(into index: inout TelemetryIndex) throws(WireError) {
        try index.rebuildOutline(over: payload.rawSpan, as: signal)
    }
}

extension ExportOutcome {
    /// Of a lot in which a batch cannot be read.
    static func unreadable(_ error: WireError) -> ExportOutcome {
        .reject(because: "cannot be read: \(error)")
    }
}
