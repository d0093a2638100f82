import Bytes
import OTLP

extension RowWriter {
    static let spanColumns = [
        "id", "start_time", "duration_ns", "trace_id", "span_id", "parent_span_id", "resource_id",
        "scope_id", "kind", "status_code", "service_name", "name", "status_message",
        "trace_state", "flags", "dropped_attributes", "dropped_events", "dropped_links",
        "attributes", "events", "links",
    ]

    func write(
        span item: ItemEntry, _ context: ScopeContext, _ bytes: RawSpan
    ) throws(SQLiteError) {
        let span = SpanView(item.body, in: bytes)
        let traceID = building { $0.hex(span.traceID) }
        let attributes = json.attributes(span.attributes, bytes)
        let events = span.eventCount == 0 ? 0..<0 : self.events(of: span, bytes)
        let links = span.linkCount == 0 ? 0..<0 : self.links(of: span, bytes)
        let startTime = signed(span.startTime)
        spans.bind(nextID)
        spans.bind(startTime)
        // Both are at least 0: the difference fits. It is below 0 where a span ends before it
        // starts, or has no end.
        spans.bind(signed(span.endTime) - startTime)
        bindJSON(spans, traceID)
        spans.bind(Int64(bitPattern: span.spanID.word))
        spans.bindUnlessZero(Int64(bitPattern: span.parentSpanID.word))
        spans.bind(context.resource.id)
        spans.bind(context.scopeID)
        spans.bind(Int64(span.kind))
        spans.bind(Int64(span.statusCode))
        spans.bind(context.resource.serviceName.rawSpan)
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
        try spans.run()
    }

    private func events(of span: SpanView, _ bytes: RawSpan) -> Range<Int> {
        var reader = span.events
        return building { json in
            var isFirst = true
            while let field = reader.next(in: bytes) {
                let event = EventView(field.value, in: bytes)
                json.raw(isFirst ? "[{\"time\":" : ",{\"time\":")
                isFirst = false
                json.integer(event.time)
                json.raw(",\"name\":")
                json.string(bytes, event.name)
                json.member("attributes", event.attributes, bytes)
                json.member("dropped_attributes", unlessZero: event.droppedAttributesCount)
                json.raw("}")
            }
            json.raw("]")
        }
    }

    private func links(of span: SpanView, _ bytes: RawSpan) -> Range<Int> {
        var reader = span.links
        return building { json in
            var isFirst = true
            while let field = reader.next(in: bytes) {
                let link = LinkView(field.value, in: bytes)
                json.raw(isFirst ? "[{\"trace_id\":\"" : ",{\"trace_id\":\"")
                isFirst = false
                json.hex(link.traceID)
                json.raw("\",\"span_id\":\"")
                json.hex(link.spanID.word)
                json.raw("\"")
                if !link.traceState.isEmpty {
                    json.raw(",\"trace_state\":")
                    json.string(bytes, link.traceState)
                }
                json.member("attributes", link.attributes, bytes)
                json.member("dropped_attributes", unlessZero: link.droppedAttributesCount)
                json.member("flags", unlessZero: link.flags)
                json.raw("}")
            }
            json.raw("]")
        }
    }
}
