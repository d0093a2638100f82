import Bytes
import OTLP
import Pipeline

/// Telemetry as plain values: written to protobuf for a test, and read back by the views.
indirect enum Value: Equatable, Sendable {
    case empty
    case string(String)
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case bytes([UInt8])
    case list([Value])
    case map([Pair])
}

struct Pair: Equatable, Sendable, ExpressibleByStringLiteral {
    var key: String
    var value: Value

    init(_ key: String, _ value: Value) { (self.key, self.value) = (key, value) }
    init(stringLiteral key: String) { self.init(key, .string(key)) }
}

/// A span, a log record, or a data point with a metric around it.
struct Item: Equatable, Sendable {
    var name = "item"
    var attributes: [Pair] = []
    var traceID: [UInt8] = Array(1...16)
    // Spans.
    var kind: UInt64 = 0
    var traceState: String?
    var events: [Part] = []
    var links: [Part] = []
    var droppedAttributes: UInt32 = 0
    var droppedEvents: UInt32 = 0
    var droppedLinks: UInt32 = 0
    // Log records.
    var severityNumber: UInt64 = 0
    var severityText = ""
    var body = Value.empty
}

/// An event or a link.
struct Part: Equatable, Sendable {
    var attributes: [Pair] = []
    var droppedAttributes: UInt32 = 0
}

struct Group: Equatable, Sendable {
    /// nil leaves the resource out.
    var resource: [Pair]?
    var scopeName = ""
    var scopeVersion = ""
    var items: [Item]
}

// MARK: Writing

extension ProtobufWriter {
    mutating func value(_ value: Value) {
        switch value {
        case .empty: break
        case .string(let text): string(1, text)
        case .bool(let flag): bool(2, flag)
        case .int(let number): int(3, number)
        case .double(let number): double(4, number)
        case .list(let values):
            message(5) { list in for value in values { list.message(1) { $0.value(value) } } }
        case .map(let pairs): message(6) { map in map.attributes(1, pairs) }
        case .bytes(let content): bytes(7, content)
        }
    }

    mutating func attributes(_ number: Int, _ pairs: [Pair]) {
        for pair in pairs {
            message(number) { field in
                field.string(1, pair.key)
                field.message(2) { $0.value(pair.value) }
            }
        }
    }

    mutating func dropped(_ number: Int, _ count: UInt32) {
        if count > 0 { varint(number, UInt64(count)) }
    }

    mutating func span(_ item: Item) {
        bytes(1, item.traceID)
        bytes(2, Array(1...8))
        if let state = item.traceState { string(3, state) }
        string(5, item.name)
        varint(6, item.kind)
        attributes(9, item.attributes)
        dropped(10, item.droppedAttributes)
        for event in item.events {
            message(11) { part in
                part.string(2, "event")
                part.attributes(3, event.attributes)
                part.dropped(4, event.droppedAttributes)
            }
        }
        dropped(12, item.droppedEvents)
        for link in item.links {
            message(13) { part in
                part.bytes(1, Array(1...16))
                part.bytes(2, Array(1...8))
                part.attributes(4, link.attributes)
                part.dropped(5, link.droppedAttributes)
            }
        }
        dropped(14, item.droppedLinks)
        // A field that nobody knows.
        string(99, "unknown")
    }

    mutating func logRecord(_ item: Item) {
        varint(2, item.severityNumber)
        string(3, item.severityText)
        message(5) { $0.value(item.body) }
        attributes(6, item.attributes)
        if !item.traceID.isEmpty { bytes(9, item.traceID) }
        string(12, item.name)
    }

    /// One metric for each data point; the kinds take turns, as their attributes' fields differ.
    mutating func metric(_ item: Item, kind: MetricKind) {
        string(1, item.name)
        message(Int(kind.rawValue)) { data in
            data.message(1) { point in
                point.fixed64(3, 1)
                point.attributes(kind.pointAttributesField, item.attributes)
            }
        }
    }
}

func payload(_ signal: Signal, _ groups: [Group]) -> [UInt8] {
    let kinds: [MetricKind] = [.gauge, .sum, .histogram, .exponentialHistogram, .summary]
    var writer = ProtobufWriter()
    for group in groups {
        writer.message(1) { resource in
            if let pairs = group.resource { resource.message(1) { $0.attributes(1, pairs) } }
            resource.message(2) { scope in
                scope.message(1) {
                    $0.string(1, group.scopeName)
                    $0.string(2, group.scopeVersion)
                }
                for (index, item) in group.items.enumerated() {
                    scope.message(2) { field in
                        switch signal {
                        case .traces: field.span(item)
                        case .logs: field.logRecord(item)
                        case .metrics: field.metric(item, kind: kinds[index % kinds.count])
                        }
                    }
                }
            }
        }
    }
    return writer.bytes
}

func batch(_ signal: Signal, _ groups: [Group]) -> Batch { batch(signal, payload(signal, groups)) }

func batch(_ signal: Signal, _ bytes: [UInt8]) -> Batch {
    var index = TelemetryIndex()
    do { try index.rebuild(over: bytes.rawSpan, as: signal) } catch { fatalError("\(error)") }
    return Batch(payload: bytes, index: index)
}

// MARK: Reading

extension Batch {
    var groups: [Group] {
        let bytes = payload.rawSpan
        return index.resources.map { resource in
            var group = Group(items: index.items[resource.items].map { read($0, bytes) })
            if resource.resourceFrame >= 0 {
                group.resource = pairs(resource.attributes, 1, bytes)
            }
            if let scope = index.scopes.first(where: {
                index.resources[Int($0.resource)].frame == resource.frame
            }) {
                group.scopeName = bytes.string(scope.name)
                group.scopeVersion = bytes.string(scope.version)
            }
            return group
        }
    }

    var items: [Item] { groups.flatMap(\.items) }

    private func read(_ entry: ItemEntry, _ bytes: RawSpan) -> Item {
        var item = Item()
        item.traceID = []
        if entry.traceIDOffset != 0 {
            let start = Int(entry.traceIDOffset)
            item.traceID = bytes.array(ByteRange(start: start, end: start + 16))
        }
        switch signal {
        case .traces: readSpan(entry, bytes, &item)
        case .logs:
            let record = LogRecordView(entry.body, in: bytes)
            item.name = bytes.string(record.eventName)
            item.severityNumber = UInt64(record.severityNumber)
            item.severityText = bytes.string(record.severityText)
            item.body = value(record.content, bytes)
            item.attributes = pairs(entry.body, LogRecordView.attributesField, bytes)
        case .metrics:
            let metric = index.metrics[Int(entry.parent)]
            item.name = bytes.string(metric.name)
            item.attributes = pairs(entry.body, metric.kind.pointAttributesField, bytes)
        }
        return item
    }

    private func readSpan(_ entry: ItemEntry, _ bytes: RawSpan, _ item: inout Item) {
        let span = SpanView(entry.body, in: bytes)
        item.name = bytes.string(span.name)
        item.kind = UInt64(span.kind)
        if span.traceState.start != 0 { item.traceState = bytes.string(span.traceState) }
        item.attributes = pairs(entry.body, SpanView.attributesField, bytes)
        item.droppedAttributes = span.droppedAttributesCount
        item.droppedEvents = span.droppedEventsCount
        item.droppedLinks = span.droppedLinksCount
        var events = span.events
        while let field = events.next(in: bytes) {
            let dropped = EventView(field.value, in: bytes).droppedAttributesCount
            item.events.append(
                Part(attributes: pairs(field.value, 3, bytes), droppedAttributes: dropped))
        }
        var links = span.links
        while let field = links.next(in: bytes) {
            let dropped = LinkView(field.value, in: bytes).droppedAttributesCount
            item.links.append(
                Part(attributes: pairs(field.value, 4, bytes), droppedAttributes: dropped))
        }
    }

    private func pairs(_ range: ByteRange, _ field: Int, _ bytes: RawSpan) -> [Pair] {
        var reader = AttributeReader(range, field: field)
        var pairs: [Pair] = []
        while let attribute = reader.next(in: bytes) {
            pairs.append(
                Pair(bytes.string(attribute.key), value(attribute.value(in: bytes), bytes)))
        }
        return pairs
    }

    private func value(_ value: AnyValue, _ bytes: RawSpan) -> Value {
        switch value {
        case .empty: return .empty
        case .string(let text): return .string(bytes.string(text))
        case .bool(let flag): return .bool(flag)
        case .int(let number): return .int(number)
        case .double(let number): return .double(number)
        case .bytes(let range): return .bytes(bytes.array(range))
        case .map(let range): return .map(pairs(range, 1, bytes))
        case .array(let range):
            var reader = ValueReader(array: range)
            var values: [Value] = []
            while let element = reader.next(in: bytes) { values.append(self.value(element, bytes)) }
            return .list(values)
        }
    }
}
