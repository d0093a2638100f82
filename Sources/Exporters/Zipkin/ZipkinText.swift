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

    static let bytesMaxStandard = 64 << 20
    /// Tags of resources and scopes that were left out; see `Inherited`.
    private(set) var omittedTagCount = 0

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
        let inherited = Inherited(index, payloadBytes: payload.count)
        for scope in index.scopes {
            if scope.resource != resourceIndex {
                resourceIndex = scope.resource
                resourceTags = Self.tags(of: index.resources[Int(resourceIndex)], span)
                service = Self.takeServiceName(from: &resourceTags) ?? defaultServiceName
            }
            guard !scope.items.isEmpty else { continue }
            var tags = resourceTags
            if !scope.name.isEmpty { tags["otel.scope.name"] = span.string(scope.name) }
            if !scope.version.isEmpty { tags["otel.scope.version"] = span.string(scope.version) }
            if let limit = inherited.bytesMax {
                omittedTagCount += tags.cut(to: limit) * scope.items.count
                service = inherited.cut(service)
            }
            for item in index.items[scope.items] {
                guard json.bytes.count <= bytesMax else {
                    isTooLarge = true
                    return
                }
                append(SpanView(item.body, in: span), span, service: service, tags)
            }
        }
    }

    /// What each span repeats of its resource and its scope. A request of megabytes of attributes
    /// that many small spans share would be a list of many gigabytes: all spans together repeat no
    /// more than `factor` times the request's size, or `bytesMin` where that is more.
    private struct Inherited {
        static let factor = 16
        static let bytesMin = 4 << 20

        /// For each span of the request; nil where all of it may be repeated.
        let bytesMax: Int?

        init(_ index: TelemetryIndex, payloadBytes: Int) {
            let wanted = index.scopes.reduce(0) { bytes, scope in
                let resource = index.resources[Int(scope.resource)]
                return bytes + scope.items.count
                    * (resource.attributes.count + scope.name.count + scope.version.count)
            }
            let allowed = max(Self.bytesMin, payloadBytes * Self.factor)
            bytesMax = wanted > allowed ? allowed / max(1, index.items.count) : nil
        }

        func cut(_ service: String) -> String {
            guard let bytesMax, service.utf8.count > bytesMax else { return service }
            return String(decoding: service.utf8.prefix(bytesMax), as: UTF8.self)
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
