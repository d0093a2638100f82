import Bytes
import OTLP
import Pipeline

/// Applies a list of actions, in order, to one attribute set after another of a batch.
///
/// Keys ought to be unique (OpenTelemetry, "Attribute Collections"). Where they are not, every
/// attribute with the key is updated, hashed, converted or deleted: which of them a reader takes
/// is not known, and a secret must be gone from all.
struct AttributeActions {
    private let actions: [AttributeAction]
    /// For each action the value from the request's context, where it takes one and there is one.
    private let contextValues: [[UInt8]?]
    private let memory: MatchMemory?

    var limitReachedCount: Int { memory?.limitReachedCount ?? 0 }

    init(_ actions: [AttributeAction], _ context: RequestContext) {
        self.actions = actions
        contextValues = actions.map { action in
            switch action.kind {
            case .insert(let source), .update(let source), .upsert(let source):
                guard case .context(let place) = source.place else { return nil }
                return place.value(in: context)
            default: return nil
            }
        }
        memory = actions.contains { $0.pattern != nil } ? MatchMemory() : nil
    }

    /// About how many bytes actions add to each attribute set: what they insert wherever they can.
    /// Values that come from the set itself are left out, being there already.
    static func addedBytes(_ actions: [AttributeAction], _ context: RequestContext) -> Int {
        var bytes = 0
        for action in actions {
            switch action.kind {
            case .insert(let source), .upsert(let source), .update(let source):
                bytes += action.key.count
                switch source.place {
                case .constant(let value): bytes += value.count
                case .context(let place):
                    bytes += (place.value(in: context) ?? source.standard)?.count ?? 0
                case .attribute: bytes += source.standard?.count ?? 0
                }
            case .delete, .hash, .extract, .convert: continue
            }
        }
        return bytes
    }

    func apply(to set: inout AttributeSet, in payload: RawSpan) {
        for (index, action) in actions.enumerated() {
            switch action.kind {
            case .insert(let source):
                guard set.firstIndex(of: action.key, in: payload) == nil,
                    let value = value(source, action: index, set, payload)
                else { continue }
                set.add(action.key, value)
            case .update(let source):
                guard set.firstIndex(of: action.key, in: payload) != nil,
                    let value = value(source, action: index, set, payload)
                else { continue }
                update(action.key, value, &set, payload)
            case .upsert(let source):
                guard let value = value(source, action: index, set, payload) else { continue }
                put(action.key, value, &set, payload)
            case .delete(let pattern):
                forEach(action.key, pattern, &set, payload) { set, entry in set.remove(at: entry) }
            case .hash(let pattern): hash(action.key, pattern, &set, payload)
            case .extract(let pattern): extract(action.key, pattern, &set, payload)
            case .convert(let conversion): convert(action.key, conversion, &set, payload)
            }
        }
    }

    private func value(
        _ source: ValueSource, action: Int, _ set: AttributeSet, _ payload: RawSpan
    ) -> [UInt8]? {
        switch source.place {
        case .constant(let value): return value
        case .context: return contextValues[action] ?? source.standard
        case .attribute(let key):
            guard let index = set.firstIndex(of: key, in: payload) else { return source.standard }
            let part = set.entries[index].value
            return set.bytes(of: part, in: payload).array(part.range)
        }
    }

    private func update(
        _ key: [UInt8], _ value: [UInt8], _ set: inout AttributeSet, _ payload: RawSpan
    ) {
        // All that have the key share one copy of the value, however many they are.
        var copy: AttributeSet.Part?
        for entry in set.entries.indices where set.has(key, at: entry, in: payload) {
            set.set(value, at: entry, in: payload, sharing: &copy)
        }
    }

    private func put(
        _ key: [UInt8], _ value: [UInt8], _ set: inout AttributeSet, _ payload: RawSpan
    ) {
        if set.firstIndex(of: key, in: payload) == nil {
            set.add(key, value)
        } else {
            update(key, value, &set, payload)
        }
    }

    /// Calls `body` for every attribute with the key or with a key that the pattern matches.
    private func forEach(
        _ key: [UInt8], _ pattern: RegularExpression?, _ set: inout AttributeSet,
        _ payload: RawSpan, _ body: (inout AttributeSet, Int) -> Void
    ) {
        for entry in set.entries.indices where !set.entries[entry].isRemoved {
            var isMeant = !key.isEmpty && set.has(key, at: entry, in: payload)
            if !isMeant, let pattern, let memory {
                let part = set.entries[entry].key
                isMeant = pattern.matches(set.bytes(of: part, in: payload), part.range, memory)
            }
            if isMeant { body(&set, entry) }
        }
    }

    private func hash(
        _ key: [UInt8], _ pattern: RegularExpression?, _ set: inout AttributeSet,
        _ payload: RawSpan
    ) {
        // By the key, then by the pattern: what both mean is hashed twice, as in the Collector,
        // so that hashes of both compare equal.
        hashAll(key, nil, &set, payload)
        if pattern != nil { hashAll([], pattern, &set, payload) }
    }

    private func hashAll(
        _ key: [UInt8], _ pattern: RegularExpression?, _ set: inout AttributeSet,
        _ payload: RawSpan
    ) {
        forEach(key, pattern, &set, payload) { set, entry in
            let hashed = Self.hashedValue(of: set, at: entry, payload)
            set.set(EncodedValue.string(hashed), at: entry, in: payload)
        }
    }

    private func convert(
        _ key: [UInt8], _ conversion: ValueConversion, _ set: inout AttributeSet,
        _ payload: RawSpan
    ) {
        for entry in set.entries.indices where set.has(key, at: entry, in: payload) {
            let converted = Self.convertedValue(of: set, at: entry, conversion, payload)
            if let converted { set.set(converted, at: entry, in: payload) }
        }
    }

    private static func hashedValue(
        of set: AttributeSet, at index: Int, _ payload: RawSpan
    ) -> [UInt8] {
        let part = set.entries[index].value
        return ValueHash.hexadecimal(part.range, in: set.bytes(of: part, in: payload))
    }

    private static func convertedValue(
        of set: AttributeSet, at index: Int, _ conversion: ValueConversion, _ payload: RawSpan
    ) -> [UInt8]? {
        let part = set.entries[index].value
        return conversion.convert(part.range, in: set.bytes(of: part, in: payload))
    }

    private func extract(
        _ key: [UInt8], _ pattern: RegularExpression, _ set: inout AttributeSet,
        _ payload: RawSpan
    ) {
        for (key, value) in extracted(key, pattern, set, payload) {
            put(key, value, &set, payload)
        }
    }

    private func extracted(
        _ key: [UInt8], _ pattern: RegularExpression, _ set: AttributeSet, _ payload: RawSpan
    ) -> [(key: [UInt8], value: [UInt8])] {
        guard let memory, let index = set.firstIndex(of: key, in: payload),
            case .string(let text) = set.value(at: index, in: payload)
        else { return [] }
        let source = set.bytes(of: set.entries[index].value, in: payload)
        guard let groups = pattern.groups(source, text, memory) else { return [] }
        return zip(pattern.groupNames, groups).compactMap { name, group in
            name.map { (Array($0.utf8), source.array(group)) }
        }.map { ($0.0, EncodedValue.string($0.1)) }
    }
}
