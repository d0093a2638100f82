import Bytes
import OTLP

extension RowWriter {
    static let spanColumns = [
        "id", "start_time", "duration_ns", "trace_id", "span_id", "parent_span_id", "resource_id",
        "scope_id", "kind", "status_code", "service_name", "name", "status_message",
        "trace_state", "flags", "dropped_attributes", "dropped_events", "dropped_links",
        "attributes", "events", "links", "adjusted_count",
    ]

    func write(
        span item: ItemEntry, _ resource: ResourceContext, _ scope: ScopeContext,
        _ bytes: RawSpan
    ) throws(SQLiteError) {
        let span = SpanView(item.body, in: bytes)
        let traceID = building { $0.hex(span.traceID) }
        let attributes = json.attributes(span.attributes, bytes)
        let events = span.eventCount == 0 ? 0..<0 : building { $0.events(span.events, bytes) }
        let links = span.linkCount == 0 ? 0..<0 : building { $0.links(span.links, bytes) }
        let startTime = signed(span.startTime)
        spans.bind(nextID)
        spans.bind(startTime)
        // Both are at least 0: the difference fits. It is below 0 where a span ends before it
        // starts, or has no end.
        spans.bind(signed(span.endTime) - startTime)
        bindJSON(spans, traceID)
        spans.bind(Int64(bitPattern: span.spanID.word))
        spans.bindUnlessZero(Int64(bitPattern: span.parentSpanID.word))
        spans.bind(resource.id)
        spans.bind(scope.id)
        spans.bind(Int64(span.kind))
        spans.bind(Int64(span.statusCode))
        spans.bind(resource.serviceName.rawSpan)
        spans.bind(bytes, span.name)
        spans.bindUnlessEmpty(bytes, span.statusMessage)
        spans.bindUnlessEmpty(bytes, span.traceState)
        spans.bindUnlessZero(Int64(span.flags))
        spans.bindUnlessZero(Int64(span.droppedAttributesCount))
        spans.bindUnlessZero(Int64(span.droppedEventsCount))
        spans.bindUnlessZero(Int64(span.droppedLinksCount))
        bindJSON(spans, attributes)
        bindJSON(spans, events)
        bindJSON(spans, links)
        spans.bind(AdjustedCount.of(traceState: span.traceState, bytes))
        try spans.run()
    }
}
