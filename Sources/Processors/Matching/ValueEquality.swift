import Bytes
import OTLP

/// Whether a value of the configuration and one of a payload are the same: same types, same
/// elements; the order of a map's entries does not count.
struct ValueEquality {
    /// The configuration's value stands in here, and decides how deep and how long comparing goes.
    let wanted: [UInt8]

    func matches(_ message: ByteRange, in bytes: RawSpan) -> Bool {
        let own = wanted.rawSpan
        let value = AnyValue(ByteRange(start: 0, end: wanted.count), in: own)
        return Self.areSame(value, own, AnyValue(message, in: bytes), bytes)
    }

    private static func areSame(
        _ wanted: AnyValue, _ own: RawSpan, _ found: AnyValue, _ bytes: RawSpan
    ) -> Bool {
        switch (wanted, found) {
        case (.string(let a), .string(let b)):
            a.count == b.count && bytes.equals(own.array(a), in: b)
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.double(let a), .double(let b)): a == b
        case (.array(let a), .array(let b)): areSameLists(a, own, b, bytes)
        case (.map(let a), .map(let b)): areSameMaps(a, own, b, bytes)
        default: false
        }
    }

    private static func areSameLists(
        _ wanted: ByteRange, _ own: RawSpan, _ found: ByteRange, _ bytes: RawSpan
    ) -> Bool {
        var wantedReader = ValueReader(array: wanted)
        var foundReader = ValueReader(array: found)
        while let value = wantedReader.next(in: own) {
            guard let other = foundReader.next(in: bytes), areSame(value, own, other, bytes) else {
                return false
            }
        }
        return foundReader.next(in: bytes) == nil
    }

    private static func areSameMaps(
        _ wanted: ByteRange, _ own: RawSpan, _ found: ByteRange, _ bytes: RawSpan
    ) -> Bool {
        var wantedReader = AttributeReader(map: wanted)
        var count = 0
        while let entry = wantedReader.next(in: own) {
            count += 1
            guard let other = value(of: own.array(entry.key), found, bytes),
                areSame(entry.value(in: own), own, other, bytes)
            else { return false }
        }
        // The configuration's keys are unique: the same number of entries leaves none over.
        var foundReader = AttributeReader(map: found)
        while foundReader.next(in: bytes) != nil { count -= 1 }
        return count == 0
    }

    private static func value(
        of key: [UInt8], _ map: ByteRange, _ bytes: RawSpan
    ) -> AnyValue? {
        var reader = AttributeReader(map: map)
        while let entry = reader.next(in: bytes) {
            if bytes.equals(key, in: entry.key) { return entry.value(in: bytes) }
        }
        return nil
    }
}
