import Bytes
import OTLP

extension FactRows {
    static let spanColumns = [
        "start_time", "duration_ns", "span_id", "parent_span_id", "resource_id", "scope_id",
        "trace_id", "adjusted_count", "flags", "dropped_attributes", "dropped_events",
        "dropped_links", "start_ns", "kind", "status_code", "service_name", "name", "operation",
        "status_message", "trace_state", "attributes", "events", "links", "sent_start_time",
        "sent_end_time",
    ]

    /// - Parameters:
    ///   - serviceField: the encoded field.
    ///   - isFolded: whether its operation is shown as `other`.
    /// - Returns: whether its time is outside the window.
    @inline(__always)
    mutating func write(
        span: SpanView, isFolded: Bool, _ resource: ResourceContext,
        _ scope: ScopeContext, serviceField: RawSpan, _ times: BatchTimes, _ bytes: RawSpan
    ) -> Bool {
        let isOutside = !times.window.contains(span.startTime)
        let startTime = isOutside ? times.receivedAt : span.startTime
        note(time: startTime)
        tuple.begin(fieldCount: 25)
        tuple.timestamp(startTime)
        let duration = SpanDuration.of(span)
        if let duration { tuple.int8(duration) } else { tuple.null() }
        tuple.int8(Int64(bitPattern: span.spanID.word))
        tuple.int8(unlessZero: Int64(bitPattern: span.parentSpanID.word))
        tuple.int8(resource.id)
        tuple.int8(scope.id)
        tuple.uuid(span.traceID)
        tuple.float8(AdjustedCount.of(traceState: span.traceState, bytes))
        tuple.int8(unlessZero: Int64(span.flags))
        tuple.int8(unlessZero: Int64(span.droppedAttributesCount))
        tuple.int8(unlessZero: Int64(span.droppedEventsCount))
        tuple.int8(unlessZero: Int64(span.droppedLinksCount))
        tuple.nanoseconds(startTime)
        tuple.int2(clamping: span.kind)
        tuple.int2(clamping: span.statusCode)
        tuple.field(serviceField)
        tuple.text(bytes, span.name)
        if isFolded {
            tuple.text("other")
        } else if span.name.count > IndexedName.operationBytesMax {
            tuple.text(bytes, span.name, bytesMax: IndexedName.operationBytesMax)
        } else {
            tuple.null()
        }
        tuple.text(unlessEmpty: span.statusMessage, bytes)
        tuple.text(unlessEmpty: span.traceState, bytes)
        tuple.jsonb { $0.attributes(span.attributes, bytes) }
        if span.eventCount == 0 {
            tuple.null()
        } else {
            tuple.jsonb { $0.events(span.events, bytes) }
        }
        if span.linkCount == 0 { tuple.null() } else { tuple.jsonb { $0.links(span.links, bytes) } }
        if isOutside { tuple.numeric(span.startTime) } else { tuple.null() }
        if duration == nil { tuple.numeric(span.endTime) } else { tuple.null() }
        return isOutside
    }
}
