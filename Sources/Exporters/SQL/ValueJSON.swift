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
/// Order and repeated keys stay as they came; for jsonb, which keeps neither, see `AttributeOrder`.
///
/// What else `Dialect.jsonb` changes of it is what PostgreSQL would not give back:
///
/// | OTLP | JSON for jsonb |
/// |---|---|
/// | integral double up to 2^63 | all digits and `.0`: jsonb shows `1e+16` like an int |
/// | larger double | as above; jsonb shows it without `.`, but no int is as large |
/// | -0.0 | `{"$double":"-0.0"}`: jsonb has no negative zero |
/// | NUL in text | U+2400 `␀`, counted: jsonb refuses U+0000 |
struct ValueJSON: ~Copyable {
    enum Dialect {
        /// As it was written it is kept.
        case text
        case jsonb
    }

    /// What has been written; ranges into it are what the writing functions return.
    var output = OutputBuffer()
    /// NULs that became U+2400.
    private(set) var replacedNULCount = 0
    private var order = AttributeOrder()
    let dialect: Dialect

    init(_ dialect: Dialect) { self.dialect = dialect }

    var written: RawSpan {
        @_lifetime(borrow self)
        borrowing get { output.written }
    }

    mutating func removeAll() { output.removeAll() }

    mutating func countReplacedNULs(_ count: Int) { replacedNULCount += count }

    mutating func takeReplacedNULCount() -> Int {
        defer { replacedNULCount = 0 }
        return replacedNULCount
    }

    /// An object; nothing, and an empty range, where there are no attributes.
    @inline(__always) @discardableResult
    mutating func attributes(
        _ attributes: consuming AttributeReader, _ bytes: RawSpan,
        noting note: (_ key: ByteRange, _ valueMessage: ByteRange) -> Void = { _, _ in }
    ) -> Range<Int> {
        let start = output.count
        switch dialect {
        case .text:
            while let (key, valueMessage) = attributes.nextParts(in: bytes) {
                note(key, valueMessage)
                attribute(key, valueMessage, bytes, isFirst: output.count == start)
            }
        case .jsonb:
            while order.gather(&attributes, bytes) {
                for position in 0..<order.count {
                    let (key, valueMessage) = order[position]
                    note(key, valueMessage)
                    attribute(key, valueMessage, bytes, isFirst: output.count == start)
                }
            }
        }
        if output.count > start { output.append(UInt8(ascii: "}")) }
        return start..<output.count
    }

    @inline(__always)
    private mutating func attribute(
        _ key: ByteRange, _ valueMessage: ByteRange, _ bytes: RawSpan, isFirst: Bool
    ) {
        string(bytes, key, after: isFirst ? UInt8(ascii: "{") : UInt8(ascii: ","))
        if let text = bytes.plainText(ofValue: valueMessage) {
            string(bytes, text, after: UInt8(ascii: ":"))
        } else {
            output.append(UInt8(ascii: ":"))
            value(AnyValue(valueMessage, in: bytes), bytes)
        }
    }

    @inline(__always)
    private mutating func string(_ bytes: RawSpan, _ range: ByteRange, after byte: UInt8) {
        if _fastPath(output.append(byte, unescapedJSON: bytes, range)) { return }
        output.append(byte)
        string(bytes, range)
    }

    @inline(never)
    mutating func value(_ value: AnyValue, _ bytes: RawSpan) {
        switch value {
        case .empty: raw("null")
        case .string(let range): string(bytes, range)
        case .bool(let flag): if flag { raw("true") } else { raw("false") }
        case .int(let integer): self.integer(integer)
        case .double(let double): self.double(double)
        case .array(let range): array(ValueReader(array: range), bytes)
        case .map(let range): map(AttributeReader(map: range), bytes)
        case .bytes(let range):
            raw("{\"$bytes\":\"")
            base64(bytes, range)
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
    @inline(__always)
    mutating func raw(_ literal: StaticString) { output.append(literal) }

    mutating func string(_ bytes: RawSpan, _ range: ByteRange) {
        output.append(UInt8(ascii: "\""))
        escaped(bytes, range)
        output.append(UInt8(ascii: "\""))
    }

    private mutating func escaped(_ bytes: RawSpan, _ range: ByteRange) {
        let end = range.upperBound
        let plain = output.append(
            bytes, from: range.lowerBound, to: end, before: WordScan.escapedInJSON)
        if _slowPath(plain < end) { escaped(bytes, from: plain, to: end) }
    }

    @inline(never)
    private mutating func escaped(_ bytes: RawSpan, from start: Int, to end: Int) {
        var offset = start
        while offset < end {
            escape(bytes.byte(at: offset))
            offset = output.append(
                bytes, from: offset + 1, to: end, before: WordScan.escapedInJSON)
        }
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\n"): raw("\\n")
        case UInt8(ascii: "\t"): raw("\\t")
        case UInt8(ascii: "\r"): raw("\\r")
        case 0 where dialect == .jsonb:
            output.append(Self.symbolForNUL)
            replacedNULCount += 1
        case 0..<0x20:
            raw("\\u00")
            output.append(Hexadecimal.digit(byte >> 4))
            output.append(Hexadecimal.digit(byte))
        default:
            output.append(UInt8(ascii: "\\"))
            output.append(byte)
        }
    }

    /// U+2400, the picture of a NUL.
    static var symbolForNUL: StaticString { "\u{2400}" }
}
