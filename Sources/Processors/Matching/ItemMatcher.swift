import Bytes
import OTLP

/// The properties of `include` or `exclude`: an item has to meet all that are given, and of a list
/// of names any. Those of another signal are refused before there is an item.
struct ItemMatcher: Sendable {
    struct Library: Sendable {
        var name: TextMatcher
        /// nil matches every version.
        var version: TextMatcher?
    }

    struct SeverityNumber: Sendable {
        var min: Int32
        var matchesUndefined: Bool
    }

    /// The properties that the configuration gives, for the check of each pipeline's signal.
    var given: [GivenMatchProperty] = []
    /// For spans alone, as are names and kinds.
    var services: TextMatcher?
    var resources: [AttributeMatcher] = []
    var libraries: [Library] = []
    var attributes: [AttributeMatcher] = []
    var spanNames: TextMatcher?
    var spanKinds: TextMatcher?
    /// For log records alone.
    var logBodies: TextMatcher?
    var logSeverityTexts: TextMatcher?
    var logSeverityNumber: SeverityNumber?
    /// For data points alone.
    var metricNames: TextMatcher?
    var hasPatterns = false

    func matchesResource(
        _ resource: ResourceEntry, _ bytes: RawSpan, _ memory: MatchMemory?
    ) -> Bool {
        if let services, !matchesService(services, resource, bytes, memory) { return false }
        return resources.allSatisfy {
            $0.matches(bytes, resource.attributes, field: 1, memory)
        }
    }

    private func matchesService(
        _ services: TextMatcher, _ resource: ResourceEntry, _ bytes: RawSpan,
        _ memory: MatchMemory?
    ) -> Bool {
        var reader = AttributeReader(resource.attributes, field: 1)
        while let attribute = reader.next(in: bytes) {
            guard bytes.equals("service.name", in: attribute.key) else { continue }
            let value = attribute.value(in: bytes)
            if case .string(let name) = value { return services.matches(bytes, name, memory) }
            return services.matches(value.text(in: bytes), memory)
        }
        return services.matches(Self.namelessService, memory)
    }

    /// What patterns see of a resource without `service.name`, as in the Collector.
    private static let namelessService = "<nil-service-name>"

    func matchesScope(_ scope: ScopeEntry, _ bytes: RawSpan, _ memory: MatchMemory?) -> Bool {
        libraries.isEmpty
            || libraries.contains { library in
                library.name.matches(bytes, scope.name, memory)
                    && library.version?.matches(bytes, scope.version, memory) ?? true
            }
    }

    /// What concerns the item itself.
    func matchesItem(
        _ item: ItemEntry, _ index: TelemetryIndex, _ bytes: RawSpan, _ memory: MatchMemory?
    ) -> Bool {
        let isMeant =
            switch index.signal {
            case .traces: matchesSpan(item, bytes, memory)
            case .logs: matchesLogRecord(item, bytes, memory)
            case .metrics: matchesMetric(index.metrics[Int(item.parent)], bytes, memory)
            }
        let field = index.attributesField(of: item)
        return isMeant
            && attributes.allSatisfy { $0.matches(bytes, item.attributes, field: field, memory) }
    }

    private func matchesSpan(
        _ item: ItemEntry, _ bytes: RawSpan, _ memory: MatchMemory?
    ) -> Bool {
        guard spanNames != nil || spanKinds != nil else { return true }
        let span = SpanView(item.body, in: bytes)
        if let spanNames, !spanNames.matches(bytes, span.name, memory) { return false }
        guard let spanKinds else { return true }
        return spanKinds.matches(Self.kindName(span.kind), memory)
    }

    // enum SpanKind of opentelemetry/proto/trace/v1/trace.proto, by number
    static let kindNames = [
        "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT",
        "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
    ]

    private static func kindName(_ kind: Int32) -> String {
        kindNames.indices.contains(Int(kind)) ? kindNames[Int(kind)] : ""
    }

    private func matchesLogRecord(
        _ item: ItemEntry, _ bytes: RawSpan, _ memory: MatchMemory?
    ) -> Bool {
        guard logBodies != nil || logSeverityTexts != nil || logSeverityNumber != nil else {
            return true
        }
        let record = LogRecordView(item.body, in: bytes)
        if let logSeverityNumber, !logSeverityNumber.matches(record.severityNumber) {
            return false
        }
        if let logSeverityTexts, !logSeverityTexts.matches(bytes, record.severityText, memory) {
            return false
        }
        guard let logBodies else { return true }
        if case .string(let text) = record.content { return logBodies.matches(bytes, text, memory) }
        return logBodies.matches(record.content.text(in: bytes), memory)
    }

    private func matchesMetric(
        _ metric: MetricEntry, _ bytes: RawSpan, _ memory: MatchMemory?
    ) -> Bool {
        metricNames?.matches(bytes, metric.name, memory) ?? true
    }
}

extension ItemMatcher.SeverityNumber {
    func matches(_ number: Int32) -> Bool {
        number == 0 ? matchesUndefined : number >= min
    }
}

extension TelemetryIndex {
    /// The field number of `attributes` in an item's message.
    func attributesField(of item: ItemEntry) -> Int {
        switch signal {
        case .traces: SpanView.attributesField
        case .logs: LogRecordView.attributesField
        case .metrics: metrics[Int(item.parent)].kind.pointAttributesField
        }
    }
}
