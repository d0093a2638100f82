import Bytes
import OTLP
import Testing

/// The JSON of a request, from its protobuf in hexadecimal digits.
func line(_ digits: String, _ signal: Signal = .traces) throws(WireError) -> String {
    try written(bytes(digits), signal).json
}

func written(
    _ protobuf: [UInt8], _ signal: Signal
) throws(WireError) -> (json: String, replacedCount: Int) {
    var line: [UInt8] = []
    // SAFETY: bytes have no padding.
    let count = try unsafe OTLPJSON.write(protobuf.span.bytes, as: signal, into: &line)
    return (String(decoding: line, as: UTF8.self), count)
}

func bytes(_ digits: String) -> [UInt8] {
    let nibbles = digits.compactMap { $0.hexDigitValue.map(UInt8.init) }
    return stride(from: 0, to: nibbles.count - 1, by: 2).map {
        nibbles[$0] << 4 | nibbles[$0 + 1]
    }
}

@Suite struct JSONWriterTests {
    /// A `LogRecord` in its request, whose JSON around it is cut off.
    private func record(_ fields: [UInt8]) throws -> String {
        var writer = ProtobufWriter()
        writer.message(1) { resource in
            resource.message(2) { scope in scope.message(2) { record in record.raw(fields) } }
        }
        let (json, _) = try written(writer.bytes, .logs)
        let head = #"{"resourceLogs":[{"scopeLogs":[{"logRecords":["#
        #expect(json.hasPrefix(head) && json.hasSuffix("]}]}]}"))
        return String(json.dropFirst(head.count).dropLast(6))
    }

    private func value(_ write: (inout ProtobufWriter) -> Void) throws -> String {
        var writer = ProtobufWriter()
        writer.message(5) { value in write(&value) }
        let json = try record(writer.bytes)
        return String(json.dropFirst(#"{"body":{"#.count).dropLast(2))
    }

    @Test func `An empty request is an empty object`() throws {
        #expect(try line("") == "{}")
        #expect(try line("0a00") == #"{"resourceSpans":[{}]}"#)
    }

    @Test(
        arguments: [
            (0.0, "0"), (-0.0, "-0.0"), (1, "1"), (-1, "-1"), (1.5, "1.5"), (0.001, "0.001"),
            (4.231, "4.231"), (0.1, "0.1"), (100, "100"), (1e11, "100000000000"), (1e22, "1e+22"),
            (.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
            (0.30000000000000004, "0.30000000000000004"), (999_999_999_999.999, "999999999999.999"),
            (.infinity, "\"Infinity\""), (-.infinity, "\"-Infinity\""), (.nan, "\"NaN\""),
        ] as [(Double, String)])
    func `A double is written in its shortest form`(number: Double, expected: String) throws {
        #expect(try value { $0.double(4, number) } == "\"doubleValue\":\(expected)")
    }

    @Test(
        arguments: [
            (0, "0"), (-1, "-1"), (9, "9"), (10, "10"), (99_999_999, "99999999"),
            (100_000_000, "100000000"), (-12_345_678_901, "-12345678901"),
            (10_000_000_000_000_000, "10000000000000000"), (.max, "9223372036854775807"),
            (.min, "-9223372036854775808"),
        ] as [(Int64, String)])
    func `A 64-bit integer is written as a string`(number: Int64, expected: String) throws {
        #expect(try value { $0.int(3, number) } == "\"intValue\":\"\(expected)\"")
    }

    @Test(arguments: [
        ("", "\"\""), ("a", "\"a\""), ("\"\\/\n\u{1}", #""\"\\/\n\u0001""#),
        ("plain text \u{1F600} more", "\"plain text \u{1F600} more\""),
        ("\u{8}\u{c}\r\t\u{1f}\u{7f}", "\"\\b\\f\\r\\t\\u001f\u{7f}\""),
    ])
    func `Strings are escaped`(text: String, expected: String) throws {
        #expect(try value { $0.string(1, text) } == "\"stringValue\":\(expected)")
        #expect(OTLPJSON.quoted(text) == expected)
    }

    @Test(
        arguments: [
            ([], ""), ([0xFB], "+w=="), ([0xFB, 0xFF], "+/8="), ([1, 2, 3], "AQID"),
            ([0, 0, 0, 0], "AAAAAA=="),
        ] as [([UInt8], String)])
    func `Bytes are written in base64`(content: [UInt8], expected: String) throws {
        #expect(try value { $0.bytes(7, content) } == "\"bytesValue\":\"\(expected)\"")
    }

    @Test func `Ids are hexadecimal, enums numbers, and unknown fields left out`() throws {
        var writer = ProtobufWriter()
        writer.identifier(9, 0x4BF9_2F35_77B3_4DA6, 0xA3CE_929D_0E0E_4736)
        writer.identifier(10, 0x00F0_67AA_0BA9_02B7)
        writer.varint(2, 9)
        writer.string(99, "unknown")
        writer.fixed32(8, 257)
        #expect(
            try record(writer.bytes)
                == #"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","#
                + #""severityNumber":9,"flags":257}"#)
    }

    @Test func `Defaults are left out, set members of a oneof are not`() throws {
        var writer = ProtobufWriter()
        writer.varint(2, 0)
        writer.string(3, "")
        writer.message(5) { $0.bool(2, false) }
        #expect(try record(writer.bytes) == #"{"body":{"boolValue":false}}"#)
    }

    @Test func `Invalid UTF-8 becomes U+FFFD and is counted`() throws {
        let (json, count) = try written(bytes("0a091a0761ff62e6bcc080"), .traces)
        #expect(
            json == "{\"resourceSpans\":[{\"schemaUrl\":\"a\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}\"}]}")
        #expect(count == 4)
    }

    @Test func `Scattered fields are gathered: the last scalar, merged messages, one array`() throws
    {
        var writer = ProtobufWriter()
        writer.message(6) { $0.string(1, "a") }
        writer.string(3, "first")
        writer.message(6) { $0.string(1, "b") }
        writer.message(5) { $0.message(5) { array in array.message(1) { $0.int(3, 1) } } }
        writer.string(3, "last")
        writer.message(5) { $0.message(5) { array in array.message(1) { $0.int(3, 2) } } }
        #expect(
            try record(writer.bytes)
                == #"{"severityText":"last","body":{"arrayValue":{"values":[{"intValue":"1"},"#
                + #"{"intValue":"2"}]}},"attributes":[{"key":"a"},{"key":"b"}]}"#)
    }

    @Test func `The last member of a oneof holds, without what came before another`() throws {
        let json = try value { value in
            value.message(5) { array in array.message(1) { $0.int(3, 1) } }
            value.string(1, "between")
            value.message(5) { array in array.message(1) { $0.int(3, 2) } }
        }
        #expect(json == #""arrayValue":{"values":[{"intValue":"2"}]}"#)
        #expect(
            try value { value in
                value.int(3, 1)
                value.string(1, "last")
            } == #""stringValue":"last""#)
    }

    private func histogramPoint(_ point: ProtobufWriter) throws -> String {
        var writer = ProtobufWriter()
        writer.message(1) { resource in
            resource.message(2) { scope in
                scope.message(2) { metric in
                    metric.message(9) { histogram in
                        histogram.message(1) { $0.raw(point.bytes) }
                    }
                }
            }
        }
        return try written(writer.bytes, .metrics).0
    }

    @Test func `Packed and unpacked numbers are one array`() throws {
        var point = ProtobufWriter()
        point.packedFixed64(6, [1, 2])
        point.fixed64(6, 3)
        point.packedFixed64(6, [])
        point.packedFixed64(6, [4])
        #expect(try histogramPoint(point).contains(#"{"bucketCounts":["1","2","3","4"]}"#))
    }

    /// They once ended the process: the second was taken for a field that is set in two places.
    @Test(
        arguments: [[[], []], [[], [1]], [[], [], [1], [], [2]], [[1], [], [2], []]], [true, false])
    func `Empty packed runs say nothing, wherever they stand`(
        runs: [[UInt64]], isInterrupted: Bool
    ) throws {
        var point = ProtobufWriter()
        for run in runs {
            point.packedFixed64(6, run)
            if isInterrupted { point.packedFixed64(7, []) }
        }
        let numbers = runs.joined().map { "\"\($0)\"" }.joined(separator: ",")
        let json = try histogramPoint(point)
        #expect(json.contains("\"bucketCounts\":[\(numbers)]") == !numbers.isEmpty)
        #expect(json.contains("bucketCounts") == !numbers.isEmpty)
    }

    @Test func `What is not protobuf is refused, and the target unchanged`() {
        var target: [UInt8] = [1]
        for (digits, reason) in [
            ("0a05", WireError.Reason.lengthPastEnd), ("0b", .groupWireType),
            ("00", .fieldNumberZero),
            ("0801", .wrongWireType(field: 1)),
        ] {
            let protobuf = bytes(digits)
            let error = #expect(throws: WireError.self) {
                // SAFETY: bytes have no padding.
                try unsafe OTLPJSON.write(protobuf.span.bytes, as: .traces, into: &target)
            }
            #expect(error?.reason == reason)
        }
        #expect(target == [1])
    }

    @Test func `Nesting and output are limited`() {
        var body: [UInt8] = []
        for level in 0..<901 {
            var outer = ProtobufWriter()
            outer.bytes(level % 2 == 0 ? 5 : 1, body)
            body = outer.bytes
        }
        // An array value in an array value, and so on, as a log record's body.
        var deep = ProtobufWriter()
        deep.bytes(5, body)
        var error = #expect(throws: WireError.self) { try record(deep.bytes) }
        #expect(error?.reason == .tooDeep(limit: OTLPJSON.messageDepthMax))

        var target: [UInt8] = []
        let empties = [UInt8](repeating: 0, count: 2000).enumerated().map { index, _ in
            index % 2 == 0 ? UInt8(0x0A) : 0
        }
        error = #expect(throws: WireError.self) {
            // SAFETY: bytes have no padding.
            try unsafe OTLPJSON.write(
                empties.span.bytes, as: .traces, into: &target, outputBytesMax: 1000)
        }
        #expect(error?.reason == .tooLarge(limit: 1000))
    }
}
