import Bytes

// Tokens of JSON (RFC 8259), and the values of unknown fields.
extension JSONTranscoding {
    /// The first byte that isn't white space, which the position then stands at.
    @inline(__always)
    mutating func token() throws(CodecFault) -> UInt8 {
        if position < json.byteCount {
            let byte = json.jsonByte(at: position)
            if byte > 0x20 { return byte }
        }
        return try tokenAfterSpace()
    }

    @inline(never)
    private mutating func tokenAfterSpace() throws(CodecFault) -> UInt8 {
        while position < json.byteCount {
            let byte = json.jsonByte(at: position)
            guard JSONTranscoding.isSpace(byte) else { return byte }
            position &+= 1
        }
        throw CodecFault(.unexpectedEnd, at: position)
    }

    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    mutating func literal(_ text: StaticString) throws(CodecFault) {
        let end = position + text.utf8CodeUnitCount
        guard end <= json.byteCount else {
            throw CodecFault(.unexpectedEnd, at: json.byteCount)
        }
        guard json.equals(text, in: ByteRange(start: position, end: end)) else {
            throw CodecFault(expected: .value, at: position)
        }
        position = end
    }

    /// Passes any value. It has to be JSON, but nothing in it is kept.
    mutating func skipValue() throws(CodecFault) {
        // One bit a container that is open within the value, the innermost lowest: 1 for an object.
        var objects: UInt128 = 0
        var open = 0
        while true {
            let first = try token()
            switch first {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard open < OTLPJSON.unknownDepthMax else {
                    throw CodecFault(.tooDeep, at: position)
                }
                position &+= 1
                objects = objects << 1 | (first == UInt8(ascii: "{") ? 1 : 0)
                open += 1
                // "{" and "[" are each two before their closing bracket.
                if try token() != first + 2 {
                    if first == UInt8(ascii: "{") { try skipName() }
                    continue
                }
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "t"): try literal("true")
            case UInt8(ascii: "f"): try literal("false")
            case UInt8(ascii: "n"): try literal("null")
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                position = try JSONNumber(json, at: position, before: json.byteCount).end
            default: throw CodecFault(expected: .value, at: position)
            }
            guard try closeContainers(&objects, &open) else { return }
        }
    }

    /// Passes the brackets that close after a value, and the comma before the next one. Returns
    /// false when the outermost value ended.
    private mutating func closeContainers(
        _ objects: inout UInt128, _ open: inout Int
    ) throws(CodecFault) -> Bool {
        while open > 0 {
            let isObject = objects & 1 == 1
            switch try token() {
            case UInt8(ascii: ","):
                position += 1
                if isObject { try skipName() }
                return true
            case UInt8(ascii: "}") where isObject, UInt8(ascii: "]") where !isObject:
                position += 1
                objects >>= 1
                open -= 1
            default:
                throw CodecFault(expected: isObject ? .commaOrBrace : .commaOrBracket, at: position)
            }
        }
        return false
    }

    private mutating func skipName() throws(CodecFault) {
        guard try token() == UInt8(ascii: "\"") else {
            throw CodecFault(expected: .name, at: position)
        }
        try skipString()
        guard try token() == UInt8(ascii: ":") else {
            throw CodecFault(expected: .colon, at: position)
        }
        position += 1
    }

    /// Passes the string whose quote is at the position.
    mutating func skipString() throws(CodecFault) {
        position += 1
        while true {
            position = JSONScan.plainEnd(json, from: position, to: json.byteCount)
            guard position < json.byteCount else { throw CodecFault(.unexpectedEnd, at: position) }
            let byte = json.byte(at: position)
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): _ = try JSONEscape.read(json, &position)
            case 0x80...: position += 1
            default: throw CodecFault(.controlCharacter, at: position)
            }
        }
    }
}
