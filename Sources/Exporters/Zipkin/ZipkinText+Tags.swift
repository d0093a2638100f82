import Bytes
import OTLP

extension ZipkinText {
    static func tags(of resource: ResourceEntry, _ span: RawSpan) -> ZipkinTags {
        var tags = ZipkinTags()
        add(AttributeReader(resource.attributes, field: 1), span, to: &tags)
        return tags
    }

    static func add(_ attributes: AttributeReader, _ span: RawSpan, to tags: inout ZipkinTags) {
        var attributes = attributes
        while let attribute = attributes.next(in: span) {
            tags[span.string(attribute.key)] = text(attribute.value(in: span), span)
        }
    }

    /// `service.name`, or else what comes nearest to it, which a tag then names. It leaves the
    /// tags: the local endpoint carries it.
    static func takeServiceName(from tags: inout ZipkinTags) -> String? {
        let sources = [
            "service.name", "faas.name", "k8s.deployment.name", "process.executable.name",
        ]
        for source in sources {
            guard let name = tags[source], !name.isEmpty else { continue }
            tags[source] = nil
            if source != "service.name" { tags["otlp.service.name.source"] = source }
            return name
        }
        return nil
    }

    /// What a span has and Zipkin has no field for.
    static func addOwnTags(_ view: SpanView, _ span: RawSpan, to tags: inout ZipkinTags) {
        if !view.traceState.isEmpty { tags["w3c.tracestate"] = span.string(view.traceState) }
        if view.kind == 1 { tags["span.kind"] = "internal" }
        // Zipkin takes a span with an `error` tag for a failed one, whatever the tag says.
        tags["error"] = view.statusCode == 2 ? span.string(view.statusMessage) : nil
        if view.statusCode == 1 { tags["otel.status_code"] = "OK" }
        if view.statusCode == 2 { tags["otel.status_code"] = "ERROR" }
        let dropped = [
            ("attributes", view.droppedAttributesCount), ("events", view.droppedEventsCount),
            ("links", view.droppedLinksCount),
        ]
        for (what, count) in dropped where count > 0 {
            tags["otel.dropped_\(what)_count"] = "\(count)"
        }
        addLinks(view, span, to: &tags)
    }

    /// The specification has no place for links; this is the Collector's:
    /// `otlp.link.0` is `trace id|span id|trace state|attributes|dropped attributes`.
    private static func addLinks(
        _ view: SpanView, _ span: RawSpan, to tags: inout ZipkinTags
    ) {
        var links = view.links
        var number = 0
        while let field = links.next(in: span) {
            let link = LinkView(field.value, in: span)
            let attributes = object(link.attributes, span)
            let state = span.string(link.traceState)
            tags["otlp.link.\(number)"] =
                "\(link.traceID)|\(link.spanID)|\(state)|\(attributes)|"
                + "\(link.droppedAttributesCount)"
            number += 1
        }
    }

    /// An event's name and, where it has attributes, these after it: `"name": {"key":"value"}`.
    static func annotation(_ event: EventView, _ span: RawSpan) -> String {
        let name = span.string(event.name)
        guard event.attributeCount > 0 else { return name }
        var quoted = JSONText()
        quoted.string(name)
        return "\(String(decoding: quoted.bytes, as: UTF8.self)): \(object(event.attributes, span))"
    }

    static func kindName(_ kind: Int32) -> String? {
        switch kind {
        case 2: "SERVER"
        case 3: "CLIENT"
        case 4: "PRODUCER"
        case 5: "CONSUMER"
        default: nil
        }
    }

    private static func object(_ attributes: AttributeReader, _ span: RawSpan) -> String {
        var json = JSONText()
        json.object(attributes, in: span)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// A tag's value is a string: text as it is, numbers as in JSON, lists and maps as JSON.
    private static func text(_ value: AnyValue, _ span: RawSpan) -> String {
        switch value {
        case .empty: return ""
        case .string(let range): return span.string(range)
        case .bool(let value): return "\(value)"
        case .int(let value): return "\(value)"
        case .double(let value):
            return value.isFinite ? "\(value)" : JSONText.name(value)
        case .bytes(let range): return Base64.text(span, range)
        case .array, .map:
            var json = JSONText()
            json.value(value, in: span)
            return String(decoding: json.bytes, as: UTF8.self)
        }
    }
}
