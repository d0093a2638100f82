/// Why bytes are not a request in OTLP/JSON, where, and what to do about it.
public struct OTLPJSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Equatable, Sendable {
        /// The text ends within a value.
        case unexpectedEnd
        /// Not JSON: something else was expected here.
        case expected(Expectation)
        /// JSON, but the field wants another kind of value.
        case wrongType(Expectation)
        case textAfterValue
        case controlCharacter
        case badEscape
        case badNumber
        case numberTooLong(bytesMax: Int)
        case numberOutOfRange
        case numberNotIntegral
        case badHexDigit
        case badBase64
        case unknownEnumName
        case nullElement
        case tooDeep(limit: Int)
        /// The request would take more than the given bytes as protobuf; HTTP's 413.
        case tooLarge(bytesMax: Int)
    }

    /// What would have been right.
    public enum Expectation: UInt8, Equatable, Sendable {
        case object, array, string, number, bool, value, name, colon, commaOrBrace, commaOrBracket
        case enumeration, id, base64

        var text: String {
            switch self {
            case .object: "an object"
            case .array: "an array"
            case .string: "a string"
            case .number: "a number"
            case .bool: "true or false"
            case .value: "a value"
            case .name: "a field's name in double quotes"
            case .colon: "a colon"
            case .commaOrBrace: "a comma or }"
            case .commaOrBracket: "a comma or ]"
            case .enumeration: "an enum's number"
            case .id: "an id of hexadecimal digits in a string"
            case .base64: "base64 in a string"
            }
        }
    }

    public let reason: Reason
    /// Offset of the byte at fault in the (decompressed) body.
    public let offset: Int
    /// The line and the column of that byte, both from 1; columns count bytes.
    public let line: Int
    public let column: Int
    /// The value at fault, such as `resourceSpans[0].scopeSpans[1].spans[3].traceId`; empty for the
    /// whole body.
    public let path: String

    public var description: String {
        let place = path.isEmpty ? "" : " at \(path)"
        return "invalid OTLP/JSON\(place) (line \(line), column \(column)): \(problem)"
    }

    /// The problem alone, without the place.
    public var problem: String {
        switch reason {
        case .unexpectedEnd: "the text ends here; send the whole document"
        case .expected(let what): "expected \(what.text)"
        case .wrongType(let what): "the field takes \(what.text)"
        case .textAfterValue: "there is text after the closing brace; send one object per request"
        case .controlCharacter: "a control character has to be escaped, as \\u00XX"
        case .badEscape: #"an escape is none of \" \\ \/ \b \f \n \r \t \uXXXX"#
        case .badNumber: "this is not a number in JSON's form"
        case .numberTooLong(let max): "a number is longer than \(max) bytes"
        case .numberOutOfRange: "the number is out of the field's range"
        case .numberNotIntegral: "the field takes whole numbers"
        case .badHexDigit: "ids are hexadecimal digits in OTLP/JSON, not base64"
        case .badBase64: "bytes are base64 (standard or URL-safe)"
        case .unknownEnumName: "the enum has no such name; OTLP/JSON sends the number"
        case .nullElement: "an array's element is null; leave it out"
        case .tooDeep(let limit): "values are nested deeper than \(limit) levels"
        case .tooLarge(let max):
            "the request takes more than \(max) bytes as protobuf; send smaller batches"
        }
    }
}
