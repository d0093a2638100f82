import Bytes
import OTLP

extension ProbabilisticSampler {
    private static let thresholdKey = Array("sampling.threshold".utf8)
    private static let randomnessKey = Array("sampling.randomness".utf8)

    func gatherLogRecords(
        _ edit: consuming PayloadEdit, _ index: TelemetryIndex, _ payload: RawSpan,
        _ tally: inout SamplingTally
    ) -> PayloadEdit {
        var edit = edit
        var set = AttributeSet()
        let field = LogRecordView.attributesField
        for (position, item) in index.items.enumerated() where !edit.isTooLarge {
            set.load(item.attributes, field: field, in: payload)
            var draw = draw(item, set, payload)
            var threshold = draw.decide(sampler, failClosed: settings.failClosed)
            if let wanted = priorityThreshold(set, payload) {
                (threshold, draw.policy) = (wanted, .samplingPriority)
            }
            let isKept = draw.isKept(by: threshold)
            tally.count(draw.policy, isKept: isKept, isFaulty: draw.isFaulty)
            guard isKept else {
                edit.removeItem(position)
                continue
            }
            guard draw.isWritable else { continue }
            if let randomness = newRandomness(draw) {
                put(Self.randomnessKey, &set, payload) { randomness.append(to: &$0) }
            }
            put(Self.thresholdKey, &set, payload) { draw.outgoing(threshold).append(to: &$0) }
            let end =
                item.attributeCount > 0 ? item.attributes.upperBound : item.body.upperBound
            set.write(to: &edit, field: field, end: end, inside: .item(position), in: payload)
        }
        return edit
    }

    private func draw(
        _ item: ItemEntry, _ set: AttributeSet, _ payload: RawSpan
    ) -> SamplingDraw {
        var draw = SamplingDraw()
        var explicit: SamplingRandomness?
        if let text = text(of: Self.thresholdKey, set, payload) {
            draw.arriving = SamplingThreshold(text, in: payload)
            draw.isFaulty = draw.arriving == nil
        }
        if let text = text(of: Self.randomnessKey, set, payload) {
            explicit = SamplingRandomness(text, in: payload)
            if explicit == nil { draw.isFaulty = true }
        }
        draw.isWritable = !draw.isFaulty
        switch sampler {
        case .never: (draw.randomness, draw.policy) = (.highest, .samplingPriority)
        case .hashing:
            hashDraw(&draw, item, set, payload)
            if draw.arriving != nil || explicit != nil {
                (draw.isFaulty, draw.isWritable) = (true, false)
            }
        case .equalizing, .proportional:
            if draw.isFaulty { break }
            if let explicit {
                (draw.randomness, draw.policy) = (explicit, .samplingRandomness)
            } else if let traceID = item.traceID(in: payload) {
                (draw.randomness, draw.policy) = (SamplingRandomness(traceID), .traceIDW3C)
            }
        }
        return draw
    }

    /// The trace id, if that is what decides and it is there; the attribute otherwise.
    private func hashDraw(
        _ draw: inout SamplingDraw, _ item: ItemEntry, _ set: AttributeSet, _ payload: RawSpan
    ) {
        if settings.attributeSource == .traceID, item.traceIDOffset != 0 {
            let start = Int(item.traceIDOffset)
            let id = ByteRange(start: start, end: start + 16)
            (draw.randomness, draw.policy) = (hash.randomness(payload, id), .traceIDHash)
            return
        }
        guard !settings.fromAttribute.isEmpty,
            let index = set.firstIndex(of: Array(settings.fromAttribute.utf8), in: payload)
        else { return }
        let value = set.value(at: index, in: payload)
        switch value {
        case .string(let range), .bytes(let range):
            guard !range.isEmpty else { return }
            draw.randomness = hash.randomness(payload, range)
        case .bool, .int, .double, .array, .map, .empty:
            let text = Array(value.text(in: payload).utf8)
            guard !text.isEmpty else { return }
            draw.randomness = hash.randomness(
                text.rawSpan, ByteRange(start: 0, end: text.count))
        }
        draw.policy = .attribute
    }

    /// A record's own percentage, in the attribute that `sampling_priority` names.
    private func priorityThreshold(
        _ set: AttributeSet, _ payload: RawSpan
    ) -> SamplingThreshold? {
        guard !settings.samplingPriority.isEmpty,
            let index = set.firstIndex(of: Array(settings.samplingPriority.utf8), in: payload)
        else { return nil }
        let percentage: Double
        switch set.value(at: index, in: payload) {
        case .int(let number): percentage = Double(number)
        case .double(let number): percentage = number
        case .string, .bool, .array, .map, .bytes, .empty: return nil
        }
        if percentage == 0 { return .never }
        return SamplingThreshold(
            probability: min(percentage / 100, 1), precision: settings.precision)
    }

    private func text(
        of key: [UInt8], _ set: AttributeSet, _ payload: RawSpan
    ) -> ByteRange? {
        guard let index = set.firstIndex(of: key, in: payload),
            case .string(let text) = set.value(at: index, in: payload), !text.isEmpty
        else { return nil }
        return text
    }

    private func put(
        _ key: [UInt8], _ set: inout AttributeSet, _ payload: RawSpan,
        _ append: (inout [UInt8]) -> Void
    ) {
        var text: [UInt8] = []
        append(&text)
        let value = EncodedValue.string(text)
        if let index = set.firstIndex(of: key, in: payload) {
            set.set(value, at: index, in: payload)
        } else {
            set.add(key, value)
        }
    }
}
