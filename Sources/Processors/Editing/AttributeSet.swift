import Bytes
import OTLP

/// The attributes of one resource, span, record or data point while actions change them.
///
/// Holds ranges of the payload, and its own bytes only for what is new; an attribute that nothing
/// changed is never copied. One is reused for a whole batch.
struct AttributeSet {
    /// A key, or the body of an `AnyValue`.
    struct Part {
        var range: ByteRange
        /// Whether the range is of `newBytes`, not of the payload.
        var isNew = false
    }

    struct Entry {
        /// The field in the payload; `.none` for an added attribute.
        let field: ByteRange
        var key: Part
        var value: Part
        var isChanged = false
        var isRemoved = false
    }

    private(set) var entries: [Entry] = []
    private var newBytes: [UInt8] = []

    /// Takes the attributes that stand in `range`, as fields with this number, in place of whatever
    /// was held.
    mutating func load(_ range: ByteRange, field number: Int, in payload: RawSpan) {
        entries.removeAll(keepingCapacity: true)
        newBytes.removeAll(keepingCapacity: true)
        var reader = AttributeReader(range, field: number)
        while let attribute = reader.next(in: payload) {
            entries.append(
                Entry(
                    field: attribute.field, key: Part(range: attribute.key),
                    value: Part(range: attribute.valueMessage)))
        }
    }

    /// The bytes that a part's range is of.
    @_lifetime(borrow self, copy payload)
    func bytes(of part: Part, in payload: RawSpan) -> RawSpan {
        part.isNew ? newBytes.rawSpan : payload
    }

    /// The first attribute with this key. Keys are unique in sane telemetry.
    func firstIndex(of key: [UInt8], in payload: RawSpan) -> Int? {
        entries.indices.first { has(key, at: $0, in: payload) }
    }

    func has(_ key: [UInt8], at index: Int, in payload: RawSpan) -> Bool {
        let entry = entries[index]
        guard !entry.isRemoved, entry.key.range.count == key.count else { return false }
        return bytes(of: entry.key, in: payload).equals(key, in: entry.key.range)
    }

    func value(at index: Int, in payload: RawSpan) -> AnyValue {
        let part = entries[index].value
        return AnyValue(part.range, in: bytes(of: part, in: payload))
    }

    /// Sets a value to an `AnyValue` of these bytes. The value it has already changes nothing.
    mutating func set(_ value: [UInt8], at index: Int, in payload: RawSpan) {
        var copy: Part?
        set(value, at: index, in: payload, sharing: &copy)
    }

    /// - Parameter copy: of these bytes, which is made where it is needed.
    mutating func set(
        _ value: [UInt8], at index: Int, in payload: RawSpan, sharing copy: inout Part?
    ) {
        let old = entries[index].value
        if !(old.range.isEmpty && value.isEmpty),
            bytes(of: old, in: payload).equals(value, in: old.range)
        {
            return
        }
        let part = copy ?? append(value)
        copy = part
        entries[index].value = part
        entries[index].isChanged = true
    }

    mutating func add(_ key: [UInt8], _ value: [UInt8]) {
        let key = append(key)
        entries.append(Entry(field: .none, key: key, value: append(value), isChanged: true))
    }

    mutating func remove(at index: Int) { entries[index].isRemoved = true }

    /// Takes back what was added; attributes of the payload stay as they were changed.
    mutating func removeAdded() { entries.removeAll { $0.field.isEmpty } }

    private mutating func append(_ bytes: [UInt8]) -> Part {
        let start = newBytes.count
        newBytes.append(contentsOf: bytes)
        return Part(range: ByteRange(start: start, end: newBytes.count), isNew: true)
    }
}

extension AttributeSet {
    /// Gathers the changes: added attributes go to `end`, all others stay where they are.
    func write(
        to edit: inout PayloadEdit, field number: Int, end: Int, inside target: PayloadEdit.Target,
        in payload: RawSpan
    ) {
        for entry in entries where !edit.isTooLarge {
            let isAdded = entry.field.isEmpty
            if entry.isRemoved {
                if !isAdded { edit.remove(entry.field, inside: target) }
            } else if entry.isChanged {
                var writer = ProtobufWriter()
                write(entry, field: number, to: &writer, in: payload)
                if isAdded {
                    edit.insert(writer.bytes, at: end, inside: target)
                } else {
                    edit.replace(entry.field, inside: target, with: writer.bytes)
                }
            }
        }
    }

    /// The added attributes alone, as fields: for a message that is not there yet.
    func addedFields(field number: Int, in payload: RawSpan) -> [UInt8] {
        var writer = ProtobufWriter()
        for entry in entries where entry.field.isEmpty && !entry.isRemoved {
            write(entry, field: number, to: &writer, in: payload)
        }
        return writer.bytes
    }

    // message KeyValue { string key = 1; AnyValue value = 2; }
    private func write(
        _ entry: Entry, field number: Int, to writer: inout ProtobufWriter, in payload: RawSpan
    ) {
        let (key, value) = (entry.key.range, entry.value.range)
        writer.tag(number, .bytes)
        writer.length(
            2 + Varint.size(UInt64(key.count)) + key.count + Varint.size(UInt64(value.count))
                + value.count)
        writer.bytes(1, bytes(of: entry.key, in: payload), key)
        writer.bytes(2, bytes(of: entry.value, in: payload), value)
    }
}
