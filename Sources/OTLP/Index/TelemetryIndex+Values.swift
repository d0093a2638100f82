import Bytes

/// The messages that every signal shares: attributes and their values.
extension TelemetryIndex {
    /// How deep lists and maps may be nested in a value: the one limit on nesting, in protobuf and
    /// in JSON, on the way in and on the way out. The Collector has no limit of its own; a
    /// recursive decoder dies of its stack first, somewhere past 10,000.
    public static let valueDepthMax = 128

    /// A string field: its range, and whether it is UTF-8 is counted.
    @inline(__always)
    mutating func text(_ field: WireField, _ bytes: RawSpan) throws(WireError) -> ByteRange {
        try field.expect(.bytes)
        let range = field.value
        if !bytes.isUTF8(range) { textFaultCount += 1 }
        return range
    }

    @inline(__always)
    mutating func validateKeyValue(
        _ whole: WireField, _ bytes: RawSpan, depth: Int
    ) throws(WireError) {
        try whole.expect(.bytes)
        if bytes.isPlainAttribute(whole.value) { return }
        try validateAnyKeyValue(whole, bytes, depth: depth)
    }

    /// An attribute, and the plain ones that stand right behind it; how many they are.
    @inline(__always)
    mutating func validateAttributes(
        from first: WireField, _ reader: inout WireReader, _ bytes: RawSpan, depth: Int = 0
    ) throws(WireError) -> UInt32 {
        try validateKeyValue(first, bytes, depth: depth)
        // A number that is written in a longer form than it needs ends the row at once.
        let tag = UInt8(truncatingIfNeeded: first.number &<< 3 | 2)
        return 1 &+ reader.passPlainAttributes(tagged: tag, in: bytes)
    }

    // message KeyValue { string key = 1; AnyValue value = 2; int32 key_strindex = 3; }
    private mutating func validateAnyKeyValue(
        _ whole: WireField, _ bytes: RawSpan, depth: Int
    ) throws(WireError) {
        var reader = WireReader(whole.value)
        var hasValue = false
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: _ = try text(field, bytes)
            case 2:
                try field.expect(.bytes)
                if hasValue { splitPartCount += 1 }
                hasValue = true
                try validateValue(field.value, bytes, depth: depth)
            case 3: try field.expect(.varint)
            default: continue
            }
        }
    }

    // message AnyValue { oneof value { string string_value = 1; bool bool_value = 2;
    //   int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5;
    //   KeyValueList kvlist_value = 6; bytes bytes_value = 7;
    //   int32 string_value_strindex = 8; } }
    mutating func validateValue(
        _ range: ByteRange, _ bytes: RawSpan, depth: Int
    ) throws(WireError) {
        var reader = WireReader(range)
        var nestedCount = 0
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: _ = try text(field, bytes)
            case 2, 3, 8: try field.expect(.varint)
            case 4: try field.expect(.fixed64)
            case 5, 6:
                try field.expect(.bytes)
                guard depth < Self.valueDepthMax else {
                    throw WireError(.tooDeep(limit: Self.valueDepthMax), at: field.start)
                }
                nestedCount += 1
                if nestedCount > 1 { splitPartCount += 1 }
                try validateNested(
                    field.value, bytes, isMap: field.number == 6, depth: depth + 1)
            case 7: try field.expect(.bytes)
            default: continue
            }
        }
    }

    // message ArrayValue { repeated AnyValue values = 1; }
    // message KeyValueList { repeated KeyValue values = 1; }
    private mutating func validateNested(
        _ range: ByteRange, _ bytes: RawSpan, isMap: Bool, depth: Int
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            guard field.number == 1 else { continue }
            if isMap {
                _ = try validateAttributes(from: field, &reader, bytes, depth: depth)
            } else {
                try field.expect(.bytes)
                try validateValue(field.value, bytes, depth: depth)
            }
        }
    }

    // message EntityRef { string schema_url = 1; string type = 2; repeated string id_keys = 3;
    //   repeated string description_keys = 4; }
    mutating func validateEntityReference(
        _ whole: WireField, _ bytes: RawSpan
    ) throws(WireError) {
        try whole.expect(.bytes)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            if field.number <= 4 { _ = try text(field, bytes) }
        }
    }

    /// Requires a repeated scalar: packed into one field, or one field an element.
    @inline(__always)
    func expectRepeated(_ field: WireField, of type: WireType) throws(WireError) {
        guard field.type == .bytes else { return try field.expect(type) }
        switch type {
        case .fixed64 where field.value.count % 8 != 0:
            throw WireError(.truncated, at: field.start)
        default: return
        }
    }
}
