// libFuzzer target for the protobuf index, its views, edits and repair: the first byte picks the
// signal, the second what is edited, the rest is the request.
//
// What the index accepts has to be readable by every view, writable as JSON by the codec (which
// parses for itself), the same in outline, and, edited or repaired, acceptable again.
import Bytes
import OTLP

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIndex(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1, let signal = Signal(rawValue: unsafe start[0] % 3) else { return 0 }
    let choice = unsafe Int(start[1])
    let payload = unsafe Array(UnsafeBufferPointer(start: start + 2, count: count - 2))
    guard let index = indexed(payload, signal) else { return 0 }

    let repaired = index.needsRepair ? repair(payload, signal) : payload
    let clean = accepted(repaired, signal)
    precondition(!clean.needsRepair, "BUG: a repaired payload needs repair")
    writeJSON(clean, repaired)
    walk(clean, repaired)
    outline(clean, repaired)
    allowance(clean, repaired)
    removeItem(choice, clean, repaired)
    insertAttribute(choice, clean, repaired)
    let twice = accepted(repaired + repaired, signal)
    precondition(
        twice.items.count == 2 * clean.items.count, "BUG: payloads do not merge by concatenation")
    return 0
}

private func indexed(_ payload: [UInt8], _ signal: Signal) -> TelemetryIndex? {
    var index = TelemetryIndex()
    return (try? index.rebuild(over: payload.rawSpan, as: signal)) == nil ? nil : index
}

private func accepted(_ payload: [UInt8], _ signal: Signal) -> TelemetryIndex {
    guard let index = indexed(payload, signal) else {
        preconditionFailure("BUG: an edit or a repair made an invalid payload")
    }
    return index
}

private func repair(_ payload: [UInt8], _ signal: Signal) -> [UInt8] {
    do throws(WireError) {
        return try PayloadRepair.repair(payload, as: signal)
    } catch {
        preconditionFailure("BUG: a small payload is too large when it is repaired")
    }
}

/// What is accepted can be delivered as JSON, and another gateway accepts that, with as many items.
private func writeJSON(_ index: TelemetryIndex, _ payload: [UInt8]) {
    do {
        var line: [UInt8] = []
        let replaced = try OTLPJSON.write(payload.rawSpan, as: index.signal, into: &line)
        precondition(replaced == 0, "BUG: text is not UTF-8 after repair")
        let back = try OTLPJSON.transcode(line.rawSpan, as: index.signal, outputBytesMax: .max)
        let again = accepted(back.protobuf, index.signal)
        precondition(!again.needsRepair, "BUG: JSON of ours needs repair")
        precondition(again.items.count == index.items.count, "BUG: JSON has other items")
    } catch {
        preconditionFailure("BUG: what the index accepts cannot be written as JSON: \(error)")
    }
}

private func outline(_ index: TelemetryIndex, _ payload: [UInt8]) {
    var outline = TelemetryIndex()
    guard (try? outline.rebuildOutline(over: payload.rawSpan, as: index.signal)) != nil,
        outline.items.map(\.field) == index.items.map(\.field),
        outline.items.map(\.parent) == index.items.map(\.parent)
    else { preconditionFailure("BUG: an outline has other items") }
}

/// The messages are counted as they are indexed, and the index keeps to what it is allowed.
private func allowance(_ index: TelemetryIndex, _ payload: [UInt8]) {
    let counts = MessageCounts(of: payload.rawSpan, as: index.signal)
    precondition(
        counts.items == index.items.count && counts.frames == index.frames.count
            && counts.resources == index.resources.count && counts.scopes == index.scopes.count
            && counts.metrics == index.metrics.count, "BUG: messages are miscounted")
    var other = TelemetryIndex()
    other.reserve(counts)
    let capacity = other.capacityBytes
    for allowed in [counts.total, counts.total - 1] where allowed >= 0 {
        let isIndexed =
            (try? other.rebuild(
                over: payload.rawSpan, as: index.signal, messagesMax: allowed)) != nil
        precondition(isIndexed == (allowed == counts.total), "BUG: an allowance does not hold")
        precondition(other.capacityBytes == capacity, "BUG: an index outgrows what was reserved")
    }
}

private func walk(_ index: TelemetryIndex, _ payload: [UInt8]) {
    let bytes = payload.rawSpan
    for item in index.items {
        var seen = 0
        var range = ByteRange.none
        switch index.signal {
        case .traces:
            let span = SpanView(item.body, in: bytes)
            (seen, range) = (span.attributeCount, span.attributeRange)
            var events = span.events
            while let event = events.next(in: bytes) { _ = EventView(event.value, in: bytes) }
            var links = span.links
            while let link = links.next(in: bytes) { _ = LinkView(link.value, in: bytes) }
            walk(span.attributes, bytes, depth: 0)
        case .logs:
            let record = LogRecordView(item.body, in: bytes)
            (seen, range) = (record.attributeCount, record.attributeRange)
            walk(record.content, bytes, depth: 0)
            walk(record.attributes, bytes, depth: 0)
        case .metrics:
            let kind = index.metrics[Int(item.parent)].kind
            let point = DataPointView(item.body, kind, in: bytes)
            (seen, range) = (point.attributeCount, point.attributeRange)
            var exemplars = point.exemplars
            while let exemplar = exemplars.next(in: bytes) {
                _ = ExemplarView(exemplar.value, in: bytes)
            }
            walk(point.attributes, bytes, depth: 0)
        }
        precondition(
            seen == Int(item.attributeCount) && range == item.attributes,
            "BUG: index and view see other attributes")
    }
}

private func walk(_ attributes: AttributeReader, _ bytes: RawSpan, depth: Int) {
    var attributes = attributes
    while let attribute = attributes.next(in: bytes) {
        precondition(bytes.isUTF8(attribute.key), "BUG: a key is not UTF-8 after repair")
        walk(attribute.value(in: bytes), bytes, depth: depth)
    }
}

private func walk(_ value: AnyValue, _ bytes: RawSpan, depth: Int) {
    precondition(depth <= TelemetryIndex.valueDepthMax, "BUG: a value is deeper than the limit")
    switch value {
    case .string(let range):
        precondition(bytes.isUTF8(range), "BUG: a string is not UTF-8 after repair")
    case .array(let range):
        var values = ValueReader(array: range)
        while let element = values.next(in: bytes) { walk(element, bytes, depth: depth + 1) }
    case .map(let range): walk(AttributeReader(map: range), bytes, depth: depth + 1)
    case .empty, .bool, .int, .double, .bytes: return
    }
}

private func removeItem(_ choice: Int, _ index: TelemetryIndex, _ payload: [UInt8]) {
    guard !index.items.isEmpty else { return }
    var edit = PayloadEdit()
    edit.removeItem(choice % index.items.count)
    let after = accepted(edit.apply(to: payload, index: index), index.signal)
    precondition(after.items.count == index.items.count - 1, "BUG: not one item was removed")
}

private func insertAttribute(_ choice: Int, _ index: TelemetryIndex, _ payload: [UInt8]) {
    guard !index.items.isEmpty else { return }
    let item = choice % index.items.count
    let field =
        switch index.signal {
        case .traces: SpanView.attributesField
        case .logs: LogRecordView.attributesField
        case .metrics: index.metrics[Int(index.items[item].parent)].kind.pointAttributesField
        }
    var attribute = ProtobufWriter()
    attribute.message(field) { keyValue in
        keyValue.string(1, "key")
        keyValue.message(2) { $0.string(1, String(repeating: "v", count: choice)) }
    }
    var edit = PayloadEdit()
    edit.insert(
        attribute.bytes, at: index.items[item].body.upperBound, inside: .item(item))
    let after = accepted(edit.apply(to: payload, index: index), index.signal)
    precondition(
        after.items[item].attributeCount == index.items[item].attributeCount + 1,
        "BUG: the attribute was not inserted")
}
