import Bytes
import OTLP

/// How many items one stands for, as its samplers have noted: OTEP 235 for spans, the attribute
/// `sampling.threshold` for log records. Nil where none has: it stands for itself.
enum AdjustedCount {
    @inline(__always)
    static func of(traceState: ByteRange, _ bytes: RawSpan) -> Double? {
        guard !traceState.isEmpty else { return nil }
        return SamplingTraceState(traceState, keepingOthers: false, in: bytes)?
            .threshold?.adjustedCount
    }

    static func of(threshold: ByteRange, _ bytes: RawSpan) -> Double? {
        SamplingThreshold(threshold, in: bytes)?.adjustedCount
    }

    /// Notes the threshold among attributes: the first that is text.
    @inline(__always)
    static func note(
        _ key: ByteRange, _ valueMessage: ByteRange, _ bytes: RawSpan, in found: inout ByteRange
    ) {
        if found.isEmpty, bytes.equals("sampling.threshold", in: key),
            case .string(let text) = AnyValue(valueMessage, in: bytes)
        {
            found = text
        }
    }
}
