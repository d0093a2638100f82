import Bytes
import OTLP

extension ProbabilisticSampler {
    /// What an OpenTracing `sampling.priority` asks for.
    private enum SpanPriority { case none, keep, drop }

    func gatherSpans(
        _ edit: consuming PayloadEdit, _ index: TelemetryIndex, _ payload: RawSpan,
        _ tally: inout SamplingTally
    ) -> PayloadEdit {
        var edit = edit
        for (position, item) in index.items.enumerated() where !edit.isTooLarge {
            // Without any trace state, which most spans are, there is nothing to parse.
            let state =
                item.traceState.isEmpty
                ? SamplingTraceState() : SamplingTraceState(item.traceState, in: payload)
            var draw = draw(item, state, payload)
            var threshold = draw.decide(sampler, failClosed: settings.failClosed)
            switch priority(of: item, payload) {
            case .none: break
            case .keep: (threshold, draw.policy) = (.always, .samplingPriority)
            case .drop: (threshold, draw.policy) = (.never, .samplingPriority)
            }
            let isKept = draw.isKept(by: threshold)
            tally.count(draw.policy, isKept: isKept, isFaulty: draw.isFaulty)
            if !isKept {
                edit.removeItem(position)
            } else if draw.isWritable, let state {
                let text = state.text(
                    draw.outgoing(threshold), newRandomness: newRandomness(draw), in: payload)
                set(text, of: item, at: position, &edit, payload)
            }
        }
        return edit
    }

    private func draw(
        _ item: ItemEntry, _ state: SamplingTraceState?, _ payload: RawSpan
    ) -> SamplingDraw {
        var draw = SamplingDraw(arriving: state?.threshold, isWritable: state != nil)
        draw.isFaulty = state == nil
        switch sampler {
        case .never: (draw.randomness, draw.policy) = (.highest, .samplingPriority)
        case .hashing:
            if item.traceIDOffset != 0 {
                let start = Int(item.traceIDOffset)
                let id = ByteRange(start: start, end: start + 16)
                (draw.randomness, draw.policy) = (hash.randomness(payload, id), .traceIDHash)
            }
            // Consistent sampling is in use: its information is not this mode's to change.
            if state?.threshold != nil || state?.randomness != nil {
                (draw.isFaulty, draw.isWritable) = (true, false)
            }
        case .equalizing, .proportional:
            guard let state else { break }
            if let explicit = state.randomness {
                (draw.randomness, draw.policy) = (explicit, .samplingRandomness)
            } else if let traceID = item.traceID(in: payload) {
                (draw.randomness, draw.policy) = (SamplingRandomness(traceID), .traceIDW3C)
            }
        }
        return draw
    }

    /// The randomness that a trace id does not show, so that later samplers can go on with it.
    func newRandomness(_ draw: SamplingDraw) -> SamplingRandomness? {
        if case .hashing = sampler { draw.randomness } else { nil }
    }

    private func priority(of item: ItemEntry, _ payload: RawSpan) -> SpanPriority {
        guard item.attributeCount > 0 else { return .none }
        var reader = AttributeReader(item.attributes, field: SpanView.attributesField)
        while let attribute = reader.next(in: payload) {
            guard payload.equals("sampling.priority", in: attribute.key) else { continue }
            let number: Double? =
                switch attribute.value(in: payload) {
                case .int(let number): Double(number)
                case .double(let number): number
                case .string(let text): GoNumber.double(payload.string(text))
                case .bool, .array, .map, .bytes, .empty: nil
                }
            guard let number else { return .none }
            return number > 0 ? .keep : number == 0 ? .drop : .none
        }
        return .none
    }

    private func set(
        _ text: [UInt8], of item: ItemEntry, at position: Int, _ edit: inout PayloadEdit,
        _ payload: RawSpan
    ) {
        if payload.equals(text, in: item.traceState) { return }
        var writer = ProtobufWriter(reserving: text.count + 3)
        writer.bytes(SpanView.traceStateField, text)
        guard item.traceState.start != 0 else {
            edit.insert(writer.bytes, at: item.body.lowerBound, inside: .item(position))
            return
        }
        // Of a field that stands twice the last one counts, and is the one that was indexed.
        var reader = MessageReader(item.body, field: SpanView.traceStateField)
        while let field = reader.next(in: payload) {
            guard field.value == item.traceState else { continue }
            edit.replace(field.field, inside: .item(position), with: writer.bytes)
            return
        }
    }
}
