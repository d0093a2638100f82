import Bytes
import OTLP
import Testing

/// Transcodes `json` as `signal`; protobuf in hexadecimal digits, which is how tests read it.
func hex(
    _ json: String, _ signal: Signal = .traces, outputBytesMax: Int = 1 << 20
) throws(OTLPJSONError) -> String {
    try transcoded(Array(json.utf8), signal, outputBytesMax: outputBytesMax).protobuf.hexDigits
}

func transcoded(
    _ json: [UInt8], _ signal: Signal = .traces, outputBytesMax: Int = 1 << 20
) throws(OTLPJSONError) -> OTLPJSON.Transcoded {
    // SAFETY: bytes have no padding.
    try unsafe OTLPJSON.transcode(json.span.bytes, as: signal, outputBytesMax: outputBytesMax)
}

extension [UInt8] {
    var hexDigits: String {
        map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

/// One span's fields within a request; the protobuf is the span's alone.
func spanHex(_ members: String) throws -> String {
    let bytes = try hex("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\(members)}]}]}]}")
    // Three tags and lengths of one byte each stand before it.
    return String(bytes.dropFirst(3 * 4))
}

/// One attribute's value; the protobuf is that of the `AnyValue`.
func valueHex(_ members: String) throws -> String {
    String(try spanHex("\"attributes\":[{\"value\":{\(members)}}]").dropFirst(2 * 4))
}

/// Why a span with these members is refused.
func refusal(_ members: String) -> OTLPJSONError.Reason? {
    do {
        _ = try hex("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\(members)}]}]}]}")
        return nil
    } catch {
        return error.reason
    }
}

@Suite struct JSONTranscoderTests {
    @Test func `An empty object is an empty request`() throws {
        #expect(try hex("{}") == "")
        #expect(try hex(" \t\r\n{ } \n") == "")
        #expect(try hex("{\"resourceSpans\":[]}") == "")
        #expect(try hex("{\"resourceSpans\":null}") == "")
    }

    @Test(
        arguments: [
            // Strings
            (#""name":"a""#, "2a0161"),
            (#""name":"""#, ""),
            (#""name":null"#, ""),
            (#""name":"\"\\\/\b\f\n\r\t""#, "2a08225c2f080c0a0d09"),
            (#""name":"\u0041\u00e9\u6f22\uD83D\ude00""#, "2a0a41c3a9e6bca2f09f9880"),
            (#""name":"é漢😀""#, "2a09c3a9e6bca2f09f9880"),
            (#""name":"\ud83d""#, "2a03efbfbd"),
            (#""name":"\ude00x""#, "2a04efbfbd78"),
            (#""name":"\ud83d\u0041""#, "2a04efbfbd41"),
            (#""name":"\ud83d\ud83d\ude00""#, "2a07efbfbdf09f9880"),
            // Ids
            (#""spanId":"00f067aa0ba902b7""#, "120800f067aa0ba902b7"),
            (#""spanId":"00F067AA0BA902B7""#, "120800f067aa0ba902b7"),
            (
                #""traceId":"4bf92f3577b34da6a3ce929d0e0e4736""#,
                "0a104bf92f3577b34da6a3ce929d0e0e4736"
            ),
            (#""parentSpanId":"""#, ""),
            (#""spanId":"\u0030\u0030f067aa0ba902b7""#, "120800f067aa0ba902b7"),
            (#""spanId":"00f0""#, "120200f0"),
            (#""spanId":"0""#, "120100"),
            // An odd number of digits never comes out at 8 or 16 bytes.
            (#""spanId":"00f067aa0ba902b""#, "120700f067aa0ba902"),
            (#""spanId":"00f067aa0ba902b71""#, "120900f067aa0ba902b710"),
            // Enums
            (#""kind":2"#, "3002"),
            (#""kind":"2""#, "3002"),
            (#""kind":"SPAN_KIND_SERVER""#, "3002"),
            (#""kind":"SPAN_KIND_UNSPECIFIED""#, ""),
            (#""kind":-1"#, "30ffffffffffffffffff01"),
            (#""kind":77"#, "304d"),
            // Numbers
            (#""startTimeUnixNano":"1795185600000000001""#, "390180e5b9cac7e918"),
            (#""startTimeUnixNano":1795185600000000001"#, "390180e5b9cac7e918"),
            (#""startTimeUnixNano":18446744073709551615"#, "39ffffffffffffffff"),
            (#""startTimeUnixNano":"18446744073709551615""#, "39ffffffffffffffff"),
            (#""startTimeUnixNano":0"#, ""),
            (#""startTimeUnixNano":-0"#, ""),
            (#""startTimeUnixNano":1e3"#, "39e803000000000000"),
            (#""startTimeUnixNano":"1E+3""#, "39e803000000000000"),
            (#""startTimeUnixNano":1.0"#, "390100000000000000"),
            (#""startTimeUnixNano":1000.000e-3"#, "390100000000000000"),
            (#""startTimeUnixNano":0.5e1"#, "390500000000000000"),
            (#""startTimeUnixNano":10000000000000000000000e-21"#, "390a00000000000000"),
            (#""startTimeUnixNano":0e999999999999"#, ""),
            (#""droppedAttributesCount":4294967295"#, "50ffffffff0f"),
            (#""flags":257"#, "850101010000"),
            // Names
            (#""na\u006de":"a""#, "2a0161"),
            (#""\u006e\u0061\u006d\u0065":"a""#, "2a0161"),
            (#""trace_id":"zz","start_time_unix_nano":{}"#, ""),
            (#""nam":"a","names":"b","":1,"namé":2,"Name":3"#, ""),
            // Duplicates
            (#""name":"a","name":"b""#, "2a01612a0162"),
            (#""name":"a","name":"""#, "2a01612a00"),
            (#""name":"a","name":null"#, "2a0161"),
            (#""status":{"message":"a"},"status":{"code":2}"#, "7a031201617a021802"),
            (#""links":[{}],"links":[{}]"#, "6a006a00"),
            // Unknown fields, at any depth
            (#""x":{"a":[1,-2.5e3,"\u0000",true,false,null,{}],"b":[[]]},"name":"a""#, "2a0161"),
            // White space
            (" \"name\" :\r\n\t\"a\" , \"kind\" : 1 ", "2a01613001"),
            // Empty messages are there; absent ones are not.
            (#""status":{}"#, "7a00"),
            (#""status":null"#, ""),
            (#""attributes":null,"events":[]"#, ""),
        ] as [(String, String)])
    func `A span's fields are encoded as protobuf`(members: String, expected: String) throws {
        #expect(try spanHex(members) == expected)
    }

    @Test(
        arguments: [
            (#""stringValue":"""#, "0a00"),
            (#""boolValue":false"#, "1000"),
            (#""boolValue":true"#, "1001"),
            (#""intValue":"0""#, "1800"),
            (#""intValue":"-1""#, "18ffffffffffffffffff01"),
            (#""intValue":9223372036854775807"#, "18ffffffffffffffff7f"),
            (#""intValue":"-9223372036854775808""#, "1880808080808080808001"),
            (#""doubleValue":0"#, "210000000000000000"),
            (#""doubleValue":-0.0"#, "210000000000000080"),
            (#""doubleValue":4.231"#, "21068195438bec1040"),
            (#""doubleValue":"1.5""#, "21000000000000f83f"),
            (#""doubleValue":"NaN""#, "21000000000000f87f"),
            (#""doubleValue":"Infinity""#, "21000000000000f07f"),
            (#""doubleValue":"-Infinity""#, "21000000000000f0ff"),
            (#""doubleValue":5e-324"#, "210100000000000000"),
            (#""doubleValue":1.7976931348623157e308"#, "21ffffffffffffef7f"),
            (#""doubleValue":1e-400"#, "210000000000000000"),
            (#""doubleValue":123456789012345678901234567890"#, "213e376cff90eef845"),
            (#""doubleValue":9007199254740993"#, "210000000000004043"),
            (#""arrayValue":{"values":[{"intValue":1},null,{}]}"#, "2a080a0218010a000a00"),
            (#""kvlistValue":{"values":[{"key":"k"}]}"#, "32050a030a016b"),
            (#""bytesValue":"""#, "3a00"),
            (#""bytesValue":"+/8=""#, "3a02fbff"),
            (#""bytesValue":"-_8""#, "3a02fbff"),
            (#""bytesValue":"\/\/8=""#, "3a02ffff"),
            (#""bytesValue":"AQID""#, "3a03010203"),
            (#""bytesValue":"AQ==""#, "3a0101"),
            (#""stringValue":"a","intValue":1"#, "0a01611801"),
            (#""stringValue":null"#, ""),
        ] as [(String, String)])
    func `A value is encoded as protobuf`(members: String, expected: String) throws {
        #expect(try valueHex(members) == expected)
    }

    @Test(
        arguments: [
            (#""startTimeUnixNano":01.5"#, .badNumber),
            (#""startTimeUnixNano":01"#, .badNumber),
            (#""startTimeUnixNano":1."#, .badNumber),
            (#""startTimeUnixNano":-"#, .badNumber),
            (#""startTimeUnixNano":1e"#, .badNumber),
            (#""startTimeUnixNano":1e+"#, .badNumber),
            (#""startTimeUnixNano":"""#, .badNumber),
            (#""startTimeUnixNano":" 1""#, .badNumber),
            (#""startTimeUnixNano":"1 ""#, .badNumber),
            (#""startTimeUnixNano":"0x1""#, .badNumber),
            (#""startTimeUnixNano":.5"#, .wrongType(.number)),
            (#""startTimeUnixNano":+1"#, .wrongType(.number)),
            (#""startTimeUnixNano":true"#, .wrongType(.number)),
            (#""startTimeUnixNano":1x"#, .expected(.commaOrBrace)),
            (#""startTimeUnixNano":-1"#, .numberOutOfRange),
            (#""startTimeUnixNano":18446744073709551616"#, .numberOutOfRange),
            (#""startTimeUnixNano":1e20"#, .numberOutOfRange),
            (#""startTimeUnixNano":1e999999999999"#, .numberOutOfRange),
            (#""startTimeUnixNano":1.5"#, .numberNotIntegral),
            (#""startTimeUnixNano":1e-1"#, .numberNotIntegral),
            (#""droppedAttributesCount":4294967296"#, .numberOutOfRange),
            (#""kind":2147483648"#, .numberOutOfRange),
            (#""kind":"SERVER""#, .unknownEnumName),
            (#""kind":{}"#, .wrongType(.enumeration)),
            (#""attributes":[{"value":{"intValue":9223372036854775808}}]"#, .numberOutOfRange),
            (#""attributes":[{"value":{"intValue":"-9223372036854775809"}}]"#, .numberOutOfRange),
            (#""attributes":[{"value":{"doubleValue":1e400}}]"#, .numberOutOfRange),
            (#""attributes":[{"value":{"doubleValue":"nan"}}]"#, .badNumber),
            (#""attributes":[{"value":{"boolValue":"true"}}]"#, .wrongType(.bool)),
            (#""attributes":[{"value":{"boolValue":1}}]"#, .wrongType(.bool)),
            (#""attributes":[{"value":{"bytesValue":"A"}}]"#, .badBase64),
            (#""attributes":[{"value":{"bytesValue":"AQ="}}]"#, .badBase64),
            (#""attributes":[{"value":{"bytesValue":"A*=="}}]"#, .badBase64),
            (#""attributes":[{"value":{"bytesValue":"===="}}]"#, .badBase64),
            (#""traceId":"S/kvNXezTaajzpKdDg5HNg==""#, .badHexDigit),
            (#""traceId":"4bf92f3577b34da6a3ce929d0e0e473g""#, .badHexDigit),
            (#""traceId":"é""#, .badHexDigit),
            (#""traceId":1"#, .wrongType(.id)),
            (#""name":1"#, .wrongType(.string)),
            (#""name":"\x""#, .badEscape),
            (#""name":"\u12g4""#, .badEscape),
            ("\"name\":\"a\u{0}\"", .controlCharacter),
            ("\"name\":\"a\nb\"", .controlCharacter),
            ("\"x\":\"a\nb\"", .controlCharacter),
            (#""status":[]"#, .wrongType(.object)),
            (#""attributes":{}"#, .wrongType(.array)),
            (#""attributes":[null]"#, .nullElement),
            (#""attributes":[{},]"#, .wrongType(.object)),
            (#""name":nul"#, .expected(.value)),
            (#""name":"a" "kind":1"#, .expected(.commaOrBrace)),
            (#""name" "a""#, .expected(.colon)),
            (#""name":"a","#, .expected(.name)),
            (#"name:"a""#, .expected(.name)),
            (#""x":tru"#, .expected(.value)),
            (#""x":[1,]"#, .expected(.value)),
            (#""x":{"a":1,}"#, .expected(.name)),
            (#""x":[1}"#, .expected(.commaOrBracket)),
            (#""x":01"#, .badNumber),
        ] as [(String, OTLPJSONError.Reason)])
    func `Bad input is refused with its reason`(members: String, reason: OTLPJSONError.Reason) {
        #expect(refusal(members) == reason)
    }

    @Test(
        arguments: [
            ("", .unexpectedEnd), ("[]", .expected(.object)), ("null", .expected(.object)),
            ("{} x", .textAfterValue), ("{}{}", .textAfterValue), ("{", .unexpectedEnd),
            ("{\"x\":1", .unexpectedEnd), ("{\"x\":-", .unexpectedEnd),
        ] as [(String, OTLPJSONError.Reason)])
    func `A body that is not one object is refused`(json: String, reason: OTLPJSONError.Reason) {
        let error = #expect(throws: OTLPJSONError.self) { try hex(json) }
        #expect(error?.reason == reason)
    }

    @Test func `Packed numbers and their arrays`() throws {
        let json = """
            {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[
            {"bucketCounts":["1",2,"3e0"],"explicitBounds":[0.5,"NaN"],"min":0}]}}]}]}]}
            """
        let bytes = try hex(json, .metrics)
        #expect(bytes.contains("3218010000000000000002000000000000000300000000000000"))
        #expect(bytes.contains("3a10000000000000e03f000000000000f87f"))
        #expect(bytes.hasSuffix("590000000000000000"))
    }

    @Test func `Invalid UTF-8 becomes U+FFFD and is counted`() throws {
        let head = Array("{\"resourceSpans\":[{\"schemaUrl\":\"".utf8)
        let tail = Array("\"}]}".utf8)
        let bad: [UInt8] = [0x61, 0xFF, 0xE6, 0xBC, 0x62, 0xED, 0xA0, 0x80, 0xC0, 0xAF, 0xF0, 0x9F]
        let result = try transcoded(head + bad + tail)
        let expected = Array(String(decoding: bad, as: UTF8.self).utf8)
        #expect(Array(result.protobuf.suffix(expected.count)) == expected)
        #expect(result.replacedCount == 8)
    }

    @Test func `An error says where it is`() {
        let json = """
            {"resourceSpans":[{"scopeSpans":[{},
             {"spans":[{},{},{},{"name":"é","traceId":"xyz"}]}]}]}
            """
        let error = #expect(throws: OTLPJSONError.self) { try hex(json) }
        #expect(error?.path == "resourceSpans[0].scopeSpans[1].spans[3].traceId")
        #expect(error?.line == 2)
        #expect(error?.column == 44)
        #expect(
            error?.description
                == "invalid OTLP/JSON at resourceSpans[0].scopeSpans[1].spans[3].traceId "
                + "(line 2, column 44): ids are hexadecimal digits in OTLP/JSON, not base64")
    }

    @Test func `Nesting is limited in unknown fields`() throws {
        func nested(_ levels: Int) -> String {
            "{\"x\":" + String(repeating: "[", count: levels)
                + String(repeating: "]", count: levels) + "}"
        }
        #expect(try hex(nested(OTLPJSON.unknownDepthMax)) == "")
        for deep in [nested(OTLPJSON.unknownDepthMax + 1), nested(1_000_000)] {
            let error = #expect(throws: OTLPJSONError.self) { try hex(deep) }
            #expect(error?.reason == .tooDeep(limit: 128))
        }
    }

    /// One request in both encodings: a log record whose body is a map in a list in a map, and so
    /// on, so many levels deep.
    private func nested(_ levels: Int) -> (protobuf: [UInt8], json: String) {
        var value = ProtobufWriter()
        value.string(1, "x")
        var json = "{\"stringValue\":\"x\"}"
        for level in 0..<levels {
            var inner = ProtobufWriter()
            var outer = ProtobufWriter()
            if level % 2 == 0 {
                var entry = ProtobufWriter()
                entry.string(1, "k")
                entry.bytes(2, value.bytes)
                inner.bytes(1, entry.bytes)
                outer.bytes(6, inner.bytes)
                json = "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":\(json)}]}}"
            } else {
                inner.bytes(1, value.bytes)
                outer.bytes(5, inner.bytes)
                json = "{\"arrayValue\":{\"values\":[\(json)]}}"
            }
            value = outer
        }
        let body = value.bytes
        let protobuf = Fixture.request { request in
            request.message(1) { resource in
                resource.message(2) { scope in scope.message(2) { $0.bytes(5, body) } }
            }
        }
        json = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":\(json)}]}]}]}"
        return (protobuf, json)
    }

    @Test func `Both encodings nest equally deep, and are refused in the same words`() throws {
        let limit = TelemetryIndex.valueDepthMax
        let (protobuf, json) = nested(limit)
        #expect(try TelemetryIndex(protobuf, .logs).items.count == 1)
        let back = try OTLPJSON.transcode(
            Array(json.utf8).rawSpan, as: .logs, outputBytesMax: .max)
        #expect(back.protobuf == protobuf)
        var line: [UInt8] = []
        try OTLPJSON.write(protobuf.rawSpan, as: .logs, into: &line)
        #expect(String(decoding: line, as: UTF8.self) == json)

        for levels in [limit + 1, 3_000] {
            let deeper = nested(levels)
            let words = "values are nested deeper than \(limit) levels"
            #expect { try TelemetryIndex(deeper.protobuf, .logs) } throws: {
                ($0 as? WireError)?.description.hasSuffix(words) == true
            }
            let error = #expect(throws: OTLPJSONError.self) { try hex(deeper.json, .logs) }
            #expect(error?.problem == words)
        }
    }

    @Test func `Large values inside many others come out whole`() throws {
        let text = String(repeating: "a", count: 70_000)
        let json =
            "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"
            + String(repeating: "{\"arrayValue\":{\"values\":[", count: 100)
            + "{\"stringValue\":\"\(text)\"},{\"stringValue\":\"\(text)\"}"
            + String(repeating: "]}}", count: 100) + "}]}]}]}"
        let protobuf = try OTLPJSON.transcode(
            Array(json.utf8).rawSpan, as: .logs, outputBytesMax: .max
        ).protobuf
        var line: [UInt8] = []
        try OTLPJSON.write(protobuf.rawSpan, as: .logs, into: &line)
        #expect(String(decoding: line, as: UTF8.self) == json)
    }

    @Test func `Output is limited`() throws {
        let json =
            "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"histogram\":{\"dataPoints\":"
            + "[{\"bucketCounts\":[" + Array(repeating: "1", count: 1000).joined(separator: ",")
            + "]}]}}]}]}]}"
        #expect(try hex(json, .metrics, outputBytesMax: 8020).count > 16_000)
        let error = #expect(throws: OTLPJSONError.self) {
            try hex(json, .metrics, outputBytesMax: 7999)
        }
        #expect(error?.reason == .tooLarge(bytesMax: 7999))
    }

    @Test func `Long strings and messages move for their lengths`() throws {
        for count in [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000] {
            let text = String(repeating: "x", count: count)
            for escape in ["", "\\n", "é"] {
                let json = "{\"resourceSpans\":[{\"schemaUrl\":\"\(text)\(escape)\"}]}"
                var line: [UInt8] = []
                let protobuf = try transcoded(Array(json.utf8)).protobuf
                // SAFETY: bytes have no padding.
                try unsafe OTLPJSON.write(protobuf.span.bytes, as: .traces, into: &line)
                let expected = count == 0 && escape.isEmpty ? "{\"resourceSpans\":[{}]}" : json
                #expect(line == Array(expected.utf8))
            }
        }
    }
}
