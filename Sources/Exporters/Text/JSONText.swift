import Bytes
import OTLP

/// Writes plain JSON (RFC 8259), as systems other than OTLP's read it: an attribute is an ordinary
/// member, an integer a number. `OTLPJSON` writes OTLP's own form.
struct JSONText {
    private(set) var bytes: [UInt8] = []
    /// Whether a value stands before the next one in its object or array.
    private var needsComma = false

    mutating func beginObject() { begin(UInt8(ascii: "{")) }
    mutating func endObject() { end(UInt8(ascii: "}")) }
    mutating func beginArray() { begin(UInt8(ascii: "[")) }
    mutating func endArray() { end(UInt8(ascii: "]")) }

    /// A member's name; its value must follow.
    mutating func key(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    mutating func string(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        if text.utf8.contains(where: Self.isEscaped) {
            for byte in text.utf8 { appendEscaped(byte) }
        } else {
            bytes.append(contentsOf: text.utf8)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func number(_ integer: some BinaryInteger) { raw(String(integer)) }

    /// JSON has no NaN and no infinity: they become strings, as in protobuf's mapping.
    mutating func number(_ double: Double) {
        if double.isFinite { raw(double.description) } else { string(Self.name(double)) }
    }

    mutating func bool(_ value: Bool) { raw(value ? "true" : "false") }
    mutating func null() { raw("null") }

    /// A value with all that it holds. Its depth was limited when the payload was indexed.
    mutating func value(_ value: AnyValue, in payload: RawSpan) {
        switch value {
        case .empty: null()
        case .string(let range): string(payload.string(range))
        case .bool(let value): bool(value)
        case .int(let value): number(value)
        case .double(let value): number(value)
        case .bytes(let range): string(Base64.text(payload, range))
        case .map(let range): object(AttributeReader(map: range), in: payload)
        case .array(let range):
            beginArray()
            var values = ValueReader(array: range)
            while let element = values.next(in: payload) { self.value(element, in: payload) }
            endArray()
        }
    }

    /// Attributes as one object.
    mutating func object(_ attributes: AttributeReader, in payload: RawSpan) {
        beginObject()
        var attributes = attributes
        while let attribute = attributes.next(in: payload) {
            key(payload.string(attribute.key))
            value(attribute.value(in: payload), in: payload)
        }
        endObject()
    }

    /// `NaN`, `Infinity` or `-Infinity`.
    static func name(_ double: Double) -> String {
        double.isNaN ? "NaN" : double < 0 ? "-Infinity" : "Infinity"
    }

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
        case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        case 0..<0x20:
            bytes += Array("\\u00".utf8) + [Hexadecimal.digit(byte >> 4), Hexadecimal.digit(byte)]
        default: bytes.append(byte)
        }
    }
}
