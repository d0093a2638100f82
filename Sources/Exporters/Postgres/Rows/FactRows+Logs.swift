import Bytes
import OTLP

extension FactRows {
    static let logColumns = [
        "time", "observed_time", "span_id", "resource_id", "scope_id", "trace_id", "flags",
        "dropped_attributes", "time_ns", "observed_ns", "time_source", "severity_number",
        "severity_text", "service_name", "event_name", "body", "body_json", "attributes",
        "adjusted_count", "sent_time",
    ]

    /// - Returns: whether its time is outside the window.
    mutating func write(
        log record: LogRecordView, _ resource: ResourceContext,
        _ scope: ScopeContext, serviceField: RawSpan, _ times: BatchTimes, _ bytes: RawSpan
    ) -> Bool {
        let (time, source) = Self.time(of: record, times)
        note(time: time)
        tuple.begin(fieldCount: 20)
        tuple.timestamp(time)
        tuple.timestamp(unlessZero: record.observedTime)
        tuple.int8(unlessZero: Int64(bitPattern: record.spanID.word))
        tuple.int8(resource.id)
        tuple.int8(scope.id)
        if record.traceID.isZero { tuple.null() } else { tuple.uuid(record.traceID) }
        tuple.int8(unlessZero: Int64(record.flags))
        tuple.int8(unlessZero: Int64(record.droppedAttributesCount))
        tuple.nanoseconds(time)
        tuple.nanoseconds(unlessZero: record.observedTime)
        tuple.int2(source.rawValue)
        tuple.int2(clamping: record.severityNumber)
        tuple.text(unlessEmpty: record.severityText, bytes)
        tuple.field(serviceField)
        tuple.text(unlessEmpty: record.eventName, bytes)
        write(body: record.content, bytes)
        var threshold = ByteRange.none
        tuple.jsonb {
            $0.attributes(record.attributes, bytes) {
                AdjustedCount.note($0, $1, bytes, in: &threshold)
            }
        }
        tuple.float8(AdjustedCount.of(threshold: threshold, bytes))
        // Only a time that was sent and is not the row's.
        let isOutside = record.time != 0 && source != .item
        if isOutside { tuple.numeric(record.time) } else { tuple.null() }
        return isOutside
    }

    /// The first of the time, the time of observation and the time of receipt that is there and
    /// within the window. The collector of a file often knows only when it saw a line.
    private static func time(
        of record: LogRecordView, _ times: BatchTimes
    ) -> (UInt64, LogTimeSource) {
        if record.time != 0, times.window.contains(record.time) { return (record.time, .item) }
        if record.observedTime != 0, times.window.contains(record.observedTime) {
            return (record.observedTime, .observation)
        }
        return (times.receivedAt, .arrival)
    }

    /// Text has a column of its own, all else is JSON.
    private mutating func write(body: AnyValue, _ bytes: RawSpan) {
        switch body {
        case .empty:
            tuple.null()
            tuple.null()
        case .string(let text):
            tuple.text(bytes, text)
            tuple.null()
        default:
            tuple.null()
            tuple.jsonb { $0.value(body, bytes) }
        }
    }
}
