import Bytes
import OTLP

/// Writes attributes and their values as JSON that a person can read and that comes back equal.
///
/// | OTLP | JSON |
/// |---|---|
/// | string | string |
/// | bool | `true`, `false` |
/// | int | a number without `.` and `e`, all 64 bits exact |
/// | double | a number with `.` or `e`, the shortest that reads back the same: `1.0`, `1e+300` |
/// | NaN, infinities | `{"$double":"NaN"}`, `{"$double":"Infinity"}`, `{"$double":"-Infinity"}` |
/// | bytes | `{"$bytes":"base64"}` |
/// | array | array |
/// | map | object; a key that begins with `$` gets one more `$` |
/// | no value | `null` |
///
/// An attribute list is an object whose keys stand as they are: it can't be mistaken for a value.
/// Order and repeated keys stay as they came.
struct ValueJSON {
    /// What has been written; ranges into it are what the writing functions return.
    private(set) var text: [UInt8] = []

    mutating func removeAll() { text.removeAll(keepingCapacity: true) }

    /// An object; nothing, and an empty range, where there are no attributes.
    mutating func attributes(
        _ attributes: consuming AttributeReader, _ bytes: RawSpan
    ) -> Range<Int> {
        let start = text.count
        while let attribute = attributes.next(in: bytes) {
            raw(text.count == start ? "{" : ",")
            string(bytes, attribute.key)
            raw(":")
            value(attribute.value(in: bytes), bytes)
        }
        if text.count > start { raw("}") }
        return start..<text.count
    }

    mutating func value(_ value: AnyValue, _ bytes: RawSpan) {
        switch value {
        case .empty: raw("null")
        case .string(let range): string(bytes, range)
        case .bool(let flag): raw(flag ? "true" : "false")
        case .int(let integer): self.integer(integer)
        case .double(let double): self.double(double)
        case .array(let range): array(ValueReader(array: range), bytes)
        case .map(let range): map(AttributeReader(map: range), bytes)
        case .bytes(let range):
            raw("{\"$bytes\":\"")
            text.append(contentsOf: Base64.text(bytes, range).utf8)
            raw("\"}")
        }
    }

    private mutating func array(_ elements: consuming ValueReader, _ bytes: RawSpan) {
        raw("[")
        var isFirst = true
        while let element = elements.next(in: bytes) {
            if !isFirst { raw(",") }
            isFirst = false
            value(element, bytes)
        }
        raw("]")
    }

    private mutating func map(_ entries: consuming AttributeReader, _ bytes: RawSpan) {
        raw("{")
        var isFirst = true
        while let entry = entries.next(in: bytes) {
            if !isFirst { raw(",") }
            isFirst = false
            raw("\"")
            if !entry.key.isEmpty, bytes.byte(at: entry.key.lowerBound) == UInt8(ascii: "$") {
                raw("$")
            }
            escaped(bytes, entry.key)
            raw("\":")
            value(entry.value(in: bytes), bytes)
        }
        raw("}")
    }

    /// Punctuation and names that need no escapes.
    mutating func raw(_ literal: StaticString) {
        // SAFETY: a static string's bytes live as long as the process.
        unsafe text.append(
            contentsOf: UnsafeBufferPointer(
                start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    mutating func string(_ bytes: RawSpan, _ range: ByteRange) {
        text.append(UInt8(ascii: "\""))
        escaped(bytes, range)
        text.append(UInt8(ascii: "\""))
    }

    mutating func integer(_ value: some BinaryInteger) {
        text.append(contentsOf: String(value).utf8)
    }

    mutating func double(_ value: Double) {
        guard value.isFinite else {
            if value.isNaN { return raw("{\"$double\":\"NaN\"}") }
            return raw(value < 0 ? "{\"$double\":\"-Infinity\"}" : "{\"$double\":\"Infinity\"}")
        }
        // Swift's description is the shortest that reads back the same, and has `.` or `e`.
        text.append(contentsOf: value.description.utf8)
    }

    /// `digits` lower-case hex digits.
    mutating func hex(_ word: UInt64, digits: Int = 16) {
        for shift in stride(from: 4 * (digits - 1), through: 0, by: -4) {
            text.append(Hexadecimal.digit(UInt8(truncatingIfNeeded: word >> UInt64(shift))))
        }
    }

    mutating func hex(_ id: TraceID) {
        hex(id.high)
        hex(id.low)
    }

    // RFC 8259, section 7: quotation mark, backslash and U+0000 to U+001F are escaped.
    private mutating func escaped(_ bytes: RawSpan, _ range: ByteRange) {
        var copied = range.lowerBound
        var offset = copied
        while offset < range.upperBound {
            let byte = bytes.byte(at: offset)
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                offset += 1
                continue
            }
            text.append(bytes, copied..<offset)
            escape(byte)
            offset += 1
            copied = offset
        }
        text.append(bytes, copied..<range.upperBound)
    }

    private mutating func escape(_ byte: UInt8) {
        text.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\n"): text.append(UInt8(ascii: "n"))
        case UInt8(ascii: "\t"): text.append(UInt8(ascii: "t"))
        case UInt8(ascii: "\r"): text.append(UInt8(ascii: "r"))
        case 0..<0x20:
            raw("u")
            hex(UInt64(byte), digits: 4)
        default: text.append(byte)
        }
    }
}
