import Bytes
public import OTLP

/// One request's telemetry on its way through a pipeline: OTLP bytes and the index over them.
///
/// The bytes are those of an `Export…ServiceRequest`, validated. Whoever changes them does so
/// through `apply`, which keeps the index right.
public struct Batch: Sendable {
    public private(set) var payload: [UInt8]
    public private(set) var index: TelemetryIndex

    /// - Precondition: `index` was built over `payload`.
    public init(payload: [UInt8], index: TelemetryIndex) {
        self.payload = payload
        self.index = index
    }

    public var signal: Signal { index.signal }
    /// Spans, data points or log records.
    public var itemCount: Int { index.items.count }

    /// Makes the changes of `edit`, which was gathered against this batch as it is now.
    public mutating func apply(_ edit: PayloadEdit) {
        guard !edit.isEmpty else { return }
        replacePayload(with: edit.apply(to: payload, index: index))
    }

    /// Takes other bytes of the same signal in place of these.
    public mutating func replacePayload(with newPayload: [UInt8]) {
        payload = newPayload
        do {
            let signal = index.signal
            try index.rebuild(over: newPayload.rawSpan, as: signal)
        } catch {
            preconditionFailure("BUG: an edit made an invalid payload: \(error)")
        }
    }
}
