import Bytes
import OTLP
import Testing

@testable import Pipeline

private func entry(_ line: String) -> DeadLetterEntry? { DeadLetterEntry(Array(line.utf8)) }

private func line(_ letter: DeadLetter) -> [UInt8] {
    var output: [UInt8] = []
    DeadLetterLine.append(letter, at: 0, to: &output)
    return output.dropLast()
}

/// A log record whose body nests so deep.
private func nested(_ depth: Int) -> [UInt8] {
    func value(_ writer: inout ProtobufWriter, _ depth: Int) {
        guard depth > 0 else { return writer.string(1, "core") }
        writer.message(5) { list in list.message(1) { value(&$0, depth - 1) } }
    }
    var writer = ProtobufWriter()
    writer.message(1) { resource in
        resource.message(2) { scope in
            scope.message(2) { record in record.message(5) { value(&$0, depth) } }
        }
    }
    return writer.bytes
}

@Suite struct DeadLetterEntryTests {
    @Test func `A letter that is cut at any byte is no letter`() {
        let bytes = line(Letters.letter(reason: "\"\\\u{1F600}"))
        #expect(DeadLetterEntry(bytes) != nil)
        for count in bytes.indices { #expect(DeadLetterEntry(Array(bytes[..<count])) == nil) }
    }

    @Test func `Whatever stands at a byte, reading ends`() {
        let bytes = line(Letters.letter(itemCount: 1))
        for offset in bytes.indices {
            for byte in [0, 1, 0x20, 0x22, 0x2C, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0xFF] as [UInt8] {
                var changed = bytes
                changed[offset] = byte
                _ = try? DeadLetterEntry(changed)?.payload()
            }
        }
    }

    @Test func `Members come in any order, with blanks, and unknown ones do no harm`() throws {
        let entry = entry(
            #"""
            { "otlp" : {"resourceSpans": [ {"a": "}\"{"} ] } , "new":[1,{"x":null}],"more":true,
            "position":{"later":{},"items":[ ],"number":18446744073709551615,
            "epoch":"0000000000000001000000000000000a"},
            "items": 3,"signal":"logs" ,"exporter":"\u0041\ud83d\ude00\/\ud800x" }
            """#)
        #expect(entry?.signal == .logs && entry?.itemCount == 3)
        #expect(entry?.exporter == "A😀/\u{FFFD}x")
        #expect(entry?.position == .init(epoch: (1, 10), number: .max, items: []))
        #expect(try entry?.payload() == [])
    }

    @Test(arguments: [
        "", "{}", "[]", "null", #"{"signal":"logs"}"#, #"{"otlp":{}}"#,
        #"{"signal":"profiles","otlp":{}}"#, #"{"signal":"logs","otlp":{}} {}"#,
        #"{"signal":"logs","otlp":{},"items":-1}"#,
        #"{"signal":"logs","otlp":{},"items":18446744073709551616}"#,
        #"{"signal":"logs","otlp":{},"items":"3"}"#,
        #"{"signal":"logs","otlp":{},"position":{"epoch":"12"}}"#,
        #"{"signal":"logs","otlp":{},"reason":"\q"}"#,
        #"{"signal":"logs","otlp":{},"reason":"\u+123"}"#,
        #"{"signal":"logs","otlp":{},"reason":1}"#, #"{"signal":"logs","otlp":}"#,
        #"{"signal":"logs","otlp":{}"#, #"{"signal":"logs","otlp":{},}"#,
    ])
    func `A line of another form is no letter`(line: String) {
        #expect(entry(line) == nil)
    }

    @Test(arguments: [
        #"{"signal":"logs","otlp":{"resourceLogs":1}}"#, #"{"signal":"logs","otlp":[}}"#,
        #"{"signal":"logs","protobuf":"0a0"}"#, #"{"signal":"logs","protobuf":"0A"}"#,
    ])
    func `Telemetry that cannot be read is found when it is wanted`(line: String) {
        #expect(throws: DeadLetterEntry.Damage.self) { try entry(line)?.payload() }
    }

    @Test(arguments: [1, 40, 63, TelemetryIndex.valueDepthMax, TelemetryIndex.valueDepthMax + 1])
    func `Telemetry comes back however deep it nests`(depth: Int) throws {
        var letter = Letters.letter("a", .logs, itemCount: 1)
        letter.payload = nested(depth)
        let bytes = line(letter)
        #expect(try DeadLetterEntry(bytes)?.payload() == letter.payload)
        // What is deeper was taken by no receiver.
        let isJSON = String(decoding: bytes, as: UTF8.self).contains(#""otlp":{"#)
        #expect(isJSON == (depth <= TelemetryIndex.valueDepthMax))
    }

    @Test func `What must not be looked into is kept as bytes`() throws {
        var letter = Letters.letter()
        letter.isOpaque = true
        letter.payload = [0, 1, 0xAB, 0xFF]
        let bytes = line(letter)
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix(#","protobuf":"0001abff"}"#))
        #expect(try DeadLetterEntry(bytes)?.payload() == letter.payload)
    }

    @Test func `A long reason is cut between characters`() throws {
        let max = DeadLetter.reasonBytesMax
        let letter = Letters.letter(reason: "x" + String(repeating: "ü", count: max))
        let reason = try #require(DeadLetterEntry(line(letter))?.reason)
        #expect(reason.utf8.count <= max + 8)
        #expect(reason.hasPrefix("xüü") && reason.hasSuffix("…"))
    }

    @Test(arguments: [
        ("otlp_http", "otlp_http"), ("file/a-b.c", "file%2fa-b.c"), ("a/%~ü", "a%2f%25%7e%c3%bc"),
    ])
    func `An exporter's id is a file's name`(id: String, series: String) {
        #expect(DeadLetterFile.series(of: id) == series)
        let file = DeadLetterFile(series: series, number: 12, bytes: 3)
        #expect(DeadLetterFile(name: file.name, bytes: 3) == file)
    }

    @Test func `Long ids are shortened, and stay apart`() {
        let ids = (0..<10).map { "otlphttp/" + String(repeating: "x", count: 1024) + "\($0)" }
        let series = Set(ids.map(DeadLetterFile.series))
        #expect(series.count == 10)
        #expect(series.allSatisfy { $0.utf8.count <= 200 })
    }

    @Test(arguments: [
        "a-1.jsonl", "a-00000001.json", "-00000001.jsonl", "a-0000000x.jsonl",
        "a-000000001.jsonl", "00000001.jsonl", "a-00000001.jsonl.damaged",
        "a-99999999999999999999.jsonl",
    ])
    func `The name of another file is not taken for one of ours`(name: String) {
        #expect(DeadLetterFile(name: name, bytes: 0) == nil)
    }
}
