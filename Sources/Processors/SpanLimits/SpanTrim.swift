import Bytes
import OTLP

/// Gathers what has to go from one span, and corrects its `dropped_…_count`s.
struct SpanTrim {
    /// A kind of repeated part: its field, and the field that counts what was dropped of it.
    private struct Part {
        let droppedCountField: Int
        let limit: Int
        var count = 0
        var dropped = 0
        /// What a field says of it already; of several the last counts.
        var droppedBefore: UInt32?

        /// Counts one more.
        /// - Returns: whether it is within the limit.
        mutating func admit() -> Bool {
            count += 1
            if count <= limit { return true }
            dropped += 1
            return false
        }
    }

    private let settings: SpanLimitsSettings
    private let target: PayloadEdit.Target
    private(set) var tally: SpanLimitsTally

    private var attributes: Part
    private var events: Part
    private var links: Part

    init(_ settings: SpanLimitsSettings, _ position: Int, _ tally: SpanLimitsTally) {
        self.settings = settings
        self.tally = tally
        target = .item(position)
        attributes = Part(droppedCountField: 10, limit: settings.attributeCount ?? .max)
        events = Part(droppedCountField: 12, limit: settings.eventCount ?? .max)
        links = Part(droppedCountField: 14, limit: settings.linkCount ?? .max)
    }

    // message Span { … repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
    //   repeated Event events = 11; uint32 dropped_events_count = 12;
    //   repeated Link links = 13; uint32 dropped_links_count = 14; … }
    mutating func gather(_ item: ItemEntry, _ payload: RawSpan, _ edit: inout PayloadEdit) {
        var reader = WireReader(item.body)
        while let field = reader.nextValidated(in: payload) {
            switch field.number {
            case 9:
                if attributes.admit() {
                    shorten(field, payload, &edit)
                } else {
                    edit.remove(field.field, inside: target)
                }
            case 11:
                if events.admit() {
                    trim(field, .event, settings.attributePerEventCount, payload, &edit)
                } else {
                    edit.remove(field.field, inside: target)
                }
            case 13:
                if links.admit() {
                    trim(field, .link, settings.attributePerLinkCount, payload, &edit)
                } else {
                    edit.remove(field.field, inside: target)
                }
            case 10: attributes.droppedBefore = UInt32(truncatingIfNeeded: field.bits)
            case 12: events.droppedBefore = UInt32(truncatingIfNeeded: field.bits)
            case 14: links.droppedBefore = UInt32(truncatingIfNeeded: field.bits)
            default: continue
            }
        }
        correct(attributes, item, payload, &edit)
        correct(events, item, payload, &edit)
        correct(links, item, payload, &edit)
        tally.attributes += attributes.dropped
        tally.events += events.dropped
        tally.links += links.dropped
    }

    private mutating func shorten(
        _ field: WireField, _ payload: RawSpan, _ edit: inout PayloadEdit
    ) {
        guard let limit = settings.attributeValueLength, field.value.count > limit,
            let attribute = ValueTrim(limit: limit).keyValue(field.value, payload)
        else { return }
        tally.values += 1
        replace(field, with: attribute, &edit)
    }

    private mutating func trim(
        _ field: WireField, _ part: AttributedPart, _ countLimit: Int?, _ payload: RawSpan,
        _ edit: inout PayloadEdit
    ) {
        guard countLimit != nil || settings.attributeValueLength != nil else { return }
        let trimmed = part.trimmed(
            field.value, countLimit ?? .max, settings.attributeValueLength, payload, &tally)
        if let trimmed { replace(field, with: trimmed, &edit) }
    }

    private func replace(_ field: WireField, with body: [UInt8], _ edit: inout PayloadEdit) {
        var writer = ProtobufWriter(reserving: body.count + 6)
        writer.bytes(field.number, body)
        edit.replace(field.field, inside: target, with: writer.bytes)
    }

    private func correct(
        _ part: Part, _ item: ItemEntry, _ payload: RawSpan, _ edit: inout PayloadEdit
    ) {
        guard part.dropped > 0 else { return }
        if part.droppedBefore != nil {
            var counters = MessageReader(item.body, field: part.droppedCountField)
            while let counter = counters.next(in: payload) {
                edit.remove(counter.field, inside: target)
            }
        }
        var writer = ProtobufWriter()
        let before = part.droppedBefore ?? 0
        writer.varint(part.droppedCountField, UInt64(before.adding(part.dropped)))
        edit.insert(writer.bytes, at: item.body.upperBound, inside: target)
    }
}

extension UInt32 {
    /// Stays at the largest number rather than start again.
    func adding(_ count: Int) -> UInt32 { UInt32(clamping: UInt64(self) + UInt64(count)) }
}
