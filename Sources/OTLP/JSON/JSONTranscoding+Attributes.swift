import Bytes

// Most of OTLP/JSON is attributes, and encoders write them all alike:
//
//     {"key":"http.route","value":{"stringValue":"/cart"}}
//
// This form is recognised a word at a time, and its lengths are known before anything is written.
// Any other form, and any fault, is left to the general way from the attribute's first byte on.
extension JSONTranscoding {
    /// Bytes past a value that have to be in the text for words to be read without care.
    private static let marginBytes = 48

    /// message KeyValue { string key = 1; AnyValue value = 2; }
    private static let keyTag: UInt64 = 0x0A
    private static let valueTag: UInt64 = 0x12
    /// message AnyValue { oneof value { string string_value = 1; bool bool_value = 2;
    ///                                  int64 int_value = 3; double double_value = 4; … } }
    private static let stringTag: UInt64 = 0x0A
    private static let boolTag: UInt64 = 0x10
    private static let intTag: UInt64 = 0x18
    private static let doubleTag: UInt64 = 0x21

    /// Appends the attribute at the position when it has the usual form; false, and nothing done,
    /// when it has not.
    @inline(__always)
    mutating func usualAttribute(_ field: Schema.Field) throws(CodecFault) -> Bool {
        let start = position
        guard let head = json.word(at: start), head == JSONScan.word("{\"key\":\"") else {
            return false
        }
        let key = start &+ 8
        let keyEnd = JSONScan.plainEnd(json, from: key, to: json.byteCount)
        guard keyEnd > key, keyEnd &+ JSONTranscoding.marginBytes <= json.byteCount else {
            return false
        }
        // SAFETY: 48 bytes from `keyEnd` on are inside, of which 32 are read.
        let joint = unsafe (
            json.uncheckedWord(at: keyEnd), json.uncheckedWord(at: keyEnd &+ 8)
        )
        guard joint.0 == JSONScan.word("\",\"value"),
            JSONScan.prefix(joint.1, bytes: 4) == JSONScan.word("\":{\"")
        else { return false }
        // SAFETY: as above.
        let name = unsafe (
            json.uncheckedWord(at: keyEnd &+ 12), json.uncheckedWord(at: keyEnd &+ 20)
        )
        switch name.0 {
        case JSONScan.word("stringVa"):
            guard JSONScan.prefix(name.1, bytes: 6) == JSONScan.word("lue\":\"") else {
                return false
            }
            return try usualString(field, key, keyEnd, value: keyEnd &+ 26)
        case JSONScan.word("intValue"):
            guard JSONScan.prefix(name.1, bytes: 3) == JSONScan.word("\":\"") else { return false }
            return try usualInt(field, key, keyEnd, value: keyEnd &+ 23)
        case JSONScan.word("doubleVa"):
            guard JSONScan.prefix(name.1, bytes: 5) == JSONScan.word("lue\":") else {
                return false
            }
            return try usualDouble(field, key, keyEnd, value: keyEnd &+ 25)
        case JSONScan.word("boolValu"):
            // SAFETY: as above.
            let text = unsafe json.uncheckedWord(at: keyEnd &+ 23)
            guard JSONScan.prefix(name.1, bytes: 3) == JSONScan.word("e\":") else { return false }
            return try usualBool(field, key, keyEnd, text, value: keyEnd &+ 23)
        default: return false
        }
    }

    @inline(__always)
    private mutating func usualString(
        _ field: Schema.Field, _ key: Int, _ keyEnd: Int, value: Int
    ) throws(CodecFault) -> Bool {
        let end = JSONScan.plainEnd(json, from: value, to: json.byteCount)
        guard let tail = json.word(at: end),
            JSONScan.prefix(tail, bytes: 3) == JSONScan.word("\"}}")
        else { return false }
        let count = end &- value
        try usualKey(
            field, key, keyEnd, valueBytes: 1 &+ Varint.size(UInt64(count)) &+ count)
        try output.append(tag: UInt16(JSONTranscoding.stringTag), tagBytes: 1, length: count)
        try output.append(json, from: value, to: end)
        position = end &+ 3
        return true
    }

    @inline(__always)
    private mutating func usualInt(
        _ field: Schema.Field, _ key: Int, _ keyEnd: Int, value: Int
    ) throws(CodecFault) -> Bool {
        guard let number = try? JSONNumber(json, at: value, before: json.byteCount),
            let tail = json.word(at: number.end),
            JSONScan.prefix(tail, bytes: 3) == JSONScan.word("\"}}"),
            let bits = try? JSONTranscoding.bits(.int64, number, json, at: value)
        else { return false }
        try usualKey(field, key, keyEnd, valueBytes: 1 &+ Varint.size(bits))
        try output.append(word: JSONTranscoding.intTag, bytes: 1)
        try output.append(varint: bits)
        position = number.end &+ 3
        return true
    }

    private mutating func usualDouble(
        _ field: Schema.Field, _ key: Int, _ keyEnd: Int, value: Int
    ) throws(CodecFault) -> Bool {
        guard let number = try? JSONNumber(json, at: value, before: json.byteCount),
            let tail = json.word(at: number.end),
            JSONScan.prefix(tail, bytes: 2) == JSONScan.word("}}"),
            let double = try? number.double(json, at: value)
        else { return false }
        try usualKey(field, key, keyEnd, valueBytes: 9)
        try output.append(word: JSONTranscoding.doubleTag, bytes: 1)
        try output.append(word: double.bitPattern, bytes: 8)
        position = number.end &+ 2
        return true
    }

    private mutating func usualBool(
        _ field: Schema.Field, _ key: Int, _ keyEnd: Int, _ text: UInt64, value: Int
    ) throws(CodecFault) -> Bool {
        let isTrue = JSONScan.prefix(text, bytes: 6) == JSONScan.word("true}}")
        guard isTrue || JSONScan.prefix(text, bytes: 7) == JSONScan.word("false}}") else {
            return false
        }
        try usualKey(field, key, keyEnd, valueBytes: 2)
        try output.append(word: JSONTranscoding.boolTag | (isTrue ? 1 << 8 : 0), bytes: 2)
        position = value &+ (isTrue ? 6 : 7)
        return true
    }

    /// Appends all of an attribute up to the `AnyValue`, which takes `valueBytes`.
    @inline(__always)
    private mutating func usualKey(
        _ field: Schema.Field, _ key: Int, _ keyEnd: Int, valueBytes: Int
    ) throws(CodecFault) {
        let keyBytes = keyEnd &- key
        let keyField = 1 &+ Varint.size(UInt64(keyBytes)) &+ keyBytes
        let valueField = 1 &+ Varint.size(UInt64(valueBytes)) &+ valueBytes
        try output.append(
            tag: field.tag, tagBytes: field.tagBytes, length: keyField &+ valueField)
        try output.append(tag: UInt16(JSONTranscoding.keyTag), tagBytes: 1, length: keyBytes)
        try output.append(json, from: key, to: keyEnd)
        try output.append(tag: UInt16(JSONTranscoding.valueTag), tagBytes: 1, length: valueBytes)
    }
}
