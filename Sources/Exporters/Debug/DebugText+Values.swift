import Bytes
import OTLP
import Platform

extension DebugText {
    /// `key=value key=value`, with `prefix` before it unless there are none.
    static func pairs(
        _ attributes: AttributeReader, _ span: RawSpan, prefix: String = "",
        separator: String = " "
    ) -> String {
        var parts: [String] = []
        var attributes = attributes
        while let attribute = attributes.next(in: span) {
            let value = plain(attribute.value(in: span), span)
            parts.append("\(text(attribute.key, span))=\(value)")
        }
        return parts.isEmpty ? "" : prefix + parts.joined(separator: separator)
    }

    /// The value alone.
    static func plain(_ value: AnyValue, _ span: RawSpan) -> String {
        switch value {
        case .empty: ""
        case .string(let range): text(range, span)
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .bytes(let range):
            PrintableText.cut(span, range, bytesMax: valueBytesMax, Hexadecimal.text)
        case .array, .map: json(value, span)
        }
    }

    /// The value with its type: `Str(checkout)`, `Int(200)`.
    static func typed(_ value: AnyValue, _ span: RawSpan) -> String {
        let type =
            switch value {
            case .empty: "Empty"
            case .string: "Str"
            case .bool: "Bool"
            case .int: "Int"
            case .double: "Double"
            case .bytes: "Bytes"
            case .array: "Slice"
            case .map: "Map"
            }
        return "\(type)(\(plain(value, span)))"
    }

    /// A string of the payload, fit for one line.
    static func text(_ range: ByteRange, _ span: RawSpan) -> String {
        PrintableText.text(span, range, bytesMax: valueBytesMax)
    }

    /// The time as a person reads it, empty where there is none.
    static func time(_ unixNanoseconds: UInt64) -> String {
        unixNanoseconds == 0 ? "" : CivilTime(unixNanoseconds: unixNanoseconds).rfc3339
    }

    private static func json(_ value: AnyValue, _ span: RawSpan) -> String {
        var output = JSONText()
        output.value(value, in: span)
        let bytes = output.bytes
        return text(ByteRange(start: 0, end: bytes.count), bytes.rawSpan)
    }
}
