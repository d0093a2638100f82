import Bytes
import OTLP

/// Spans as a list in Zipkin's v2 JSON, by the OpenTelemetry specification's "OpenTelemetry to
/// Zipkin"; what that leaves open is done as in the Collector.
struct ZipkinText {
    private var json = JSONText()
    private let defaultServiceName: String
    /// Spans that Zipkin can't hold: an id is zero.
    private(set) var rejectedSpanCount = 0
    /// Whether the list was given up: it would be longer than `bytesMax`.
    private(set) var isTooLarge = false

    private let bytesMax: Int

    /// Each span repeats the attributes of its resource, so that a small request can have a list
    /// of many gigabytes.
    static let bytesMaxStandard = 64 << 20

    init(defaultServiceName: String, bytesMax: Int = ZipkinText.bytesMaxStandard) {
        self.bytesMax = bytesMax
        self.defaultServiceName = defaultServiceName
        json.beginArray()
    }

    /// The list's bytes.
    consuming func finish() -> [UInt8] {
        json.endArray()
        return json.bytes
    }

    mutating func append(_ payload: [UInt8], _ index: TelemetryIndex) {
        let span = payload.rawSpan
        var resourceIndex: Int32 = -1
        var service = ""
        var resourceTags = ZipkinTags()
        for scope in index.scopes {
            if scope.resource != resourceIndex {
                resourceIndex = scope.resource
                resourceTags = Self.tags(of: index.resources[Int(resourceIndex)], span)
                service = Self.takeServiceName(from: &resourceTags) ?? defaultServiceName
            }
            var tags = resourceTags
            if !scope.name.isEmpty { tags["otel.scope.name"] = span.string(scope.name) }
            if !scope.version.isEmpty { tags["otel.scope.version"] = span.string(scope.version) }
            for item in index.items[scope.items] {
                guard json.bytes.count <= bytesMax else {
                    isTooLarge = true
                    return
                }
                append(SpanView(item.body, in: span), span, service: service, tags)
            }
        }
    }

    private mutating func append(
        _ view: SpanView, _ span: RawSpan, service: String, _ inherited: ZipkinTags
    ) {
        guard !view.traceID.isZero, !view.spanID.isZero else {
            rejectedSpanCount += 1
            return
        }
        var tags = inherited
        Self.add(view.attributes, span, to: &tags)
        json.beginObject()
        member("traceId", "\(view.traceID)")
        member("id", "\(view.spanID)")
        if !view.parentSpanID.isZero { member("parentId", "\(view.parentSpanID)") }
        if !view.name.isEmpty { member("name", span.string(view.name)) }
        if let kind = Self.kindName(view.kind) { member("kind", kind) }
        appendTimes(view)
        append(.local(tags, serviceName: service), as: "localEndpoint")
        if let remote = ZipkinEndpoint.remote(tags, kind: view.kind) {
            append(remote, as: "remoteEndpoint")
        }
        appendAnnotations(view, span)
        Self.addOwnTags(view, span, to: &tags)
        append(tags)
        json.endObject()
    }

    /// Zipkin counts whole microseconds. Zero would mean "unknown" to it, so that a span takes at
    /// least one; where the end is unknown or before the start there is no duration.
    private mutating func appendTimes(_ view: SpanView) {
        if view.startTime >= 1000 {
            json.key("timestamp")
            json.number(view.startTime / 1000)
        }
        if view.startTime > 0, view.endTime >= view.startTime {
            json.key("duration")
            json.number(max(1, (view.endTime - view.startTime) / 1000))
        }
    }

    private mutating func append(_ endpoint: ZipkinEndpoint, as name: String) {
        json.key(name)
        json.beginObject()
        if let serviceName = endpoint.serviceName { member("serviceName", serviceName) }
        if let ipv4 = endpoint.ipv4 { member("ipv4", ipv4) }
        if let ipv6 = endpoint.ipv6 { member("ipv6", ipv6) }
        if let port = endpoint.port, port != 0 {
            json.key("port")
            json.number(port)
        }
        json.endObject()
    }

    private mutating func appendAnnotations(_ view: SpanView, _ span: RawSpan) {
        guard view.eventCount > 0 else { return }
        json.key("annotations")
        json.beginArray()
        var events = view.events
        while let field = events.next(in: span) {
            let event = EventView(field.value, in: span)
            json.beginObject()
            json.key("timestamp")
            json.number(event.time / 1000)
            member("value", Self.annotation(event, span))
            json.endObject()
        }
        json.endArray()
    }

    private mutating func append(_ tags: ZipkinTags) {
        guard !tags.entries.isEmpty else { return }
        json.key("tags")
        json.beginObject()
        for tag in tags.entries { member(tag.name, tag.value) }
        json.endObject()
    }

    private mutating func member(_ name: String, _ value: String) {
        json.key(name)
        json.string(value)
    }
}
