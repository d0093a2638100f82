import Bytes
import Foundation
import OTLP
import Testing

/// A request a signal, with a value of each kind, escapes and white space.
private let samples: [(Signal, String)] = [
    (
        .traces,
        """
        {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":
        {"stringValue":"é\\ud83d\\ude00\\n"}}],"droppedAttributesCount":1},"scopeSpans":[{"scope":
        {"name":"s"},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":
        "00f067aa0ba902b7","name":"GET /","kind":2,"startTimeUnixNano":"1795185600000000001",
        "attributes":[{"key":"n","value":{"intValue":"-5"}},{"key":"d","value":{"doubleValue":-1.5e3
        }},{"key":"b","value":{"bytesValue":"AQI="}},{"key":"t","value":{"boolValue":true}},{"key":
        "a","value":{"arrayValue":{"values":[null,{"kvlistValue":{"values":[]}}]}}}],"status":{
        "code":"STATUS_CODE_ERROR"},"flags":257,"unknown":[{"x":[1,"y",false]}]}]}]}]}
        """
    ),
    (
        .metrics,
        """
        {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"h","exponentialHistogram":{
        "dataPoints":[{"count":"9","scale":-3,"positive":{"offset":2,"bucketCounts":["1","2",300]},
        "sum":0,"exemplars":[{"asInt":"7","spanId":"00f067aa0ba902b7"}]}]}},{"histogram":{
        "dataPoints":[{"bucketCounts":[1,2],"explicitBounds":[0.25]}]}}]}]}]}
        """
    ),
    (
        .logs,
        """
        {"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9,"body":{"stringValue":
        "text"},"observedTimeUnixNano":17,"eventName":"e"}]}],"schemaUrl":"u"}]}
        """
    ),
]

private func json(of protobuf: [UInt8], _ signal: Signal) throws(WireError) -> [UInt8] {
    var line: [UInt8] = []
    // SAFETY: bytes have no padding.
    try unsafe OTLPJSON.write(protobuf.span.bytes, as: signal, into: &line)
    return line
}

@Suite struct JSONRobustnessTests {
    @Test(arguments: samples)
    func `A request cut off anywhere is refused`(signal: Signal, text: String) throws {
        let whole = Array(text.utf8)
        #expect(try !transcoded(whole, signal).protobuf.isEmpty)
        for count in 0..<whole.count {
            let error = #expect(throws: OTLPJSONError.self) {
                try transcoded(Array(whole.prefix(count)), signal)
            }
            #expect(error?.reason == .unexpectedEnd)
            #expect(error?.offset == count)
        }
    }

    @Test(arguments: samples)
    func `A request with any byte changed is transcoded or refused`(
        signal: Signal, text: String
    ) throws {
        let whole = Array(text.utf8)
        var accepted = 0
        for index in whole.indices {
            for byte in [0x00, 0x22, 0x2C, 0x5C, 0x5D, 0x7D, 0x80, 0xFF] as [UInt8] {
                var changed = whole
                changed[index] = byte
                guard let protobuf = try? transcoded(changed, signal).protobuf else { continue }
                accepted += 1
                // What was accepted is protobuf, and its JSON says the same.
                let line = try json(of: protobuf, signal)
                #expect(try json(of: transcoded(line, signal).protobuf, signal) == line)
            }
        }
        #expect(accepted > 0)
    }

    @Test(arguments: samples)
    func `Protobuf cut off anywhere is written or refused`(signal: Signal, text: String) throws {
        let whole = try transcoded(Array(text.utf8), signal).protobuf
        for count in 1..<whole.count {
            #expect(throws: WireError.self) { try json(of: Array(whole.prefix(count)), signal) }
        }
    }

    @Test(arguments: samples)
    func `JSON, protobuf and JSON again is the same protobuf`(signal: Signal, text: String) throws {
        let protobuf = try transcoded(Array(text.utf8), signal).protobuf
        let line = try json(of: protobuf, signal)
        #expect(try transcoded(line, signal).protobuf == protobuf)
    }

    /// A space takes an attribute off the path that recognises the usual form.
    @Test(arguments: [
        #"{"stringValue":"v"}"#, #"{"stringValue":""}"#, #"{"stringValue":"é"}"#,
        #"{"stringValue":"a\"b"}"#, #"{"intValue":"0"}"#, #"{"intValue":"-1"}"#,
        #"{"intValue":7}"#, #"{"intValue":"1e2"}"#, #"{"intValue":"9223372036854775807"}"#,
        #"{"intValue":"9223372036854775808"}"#, #"{"intValue":"1.5"}"#, #"{"intValue":""}"#,
        #"{"doubleValue":0}"#, #"{"doubleValue":-2.5}"#, #"{"doubleValue":1e400}"#,
        #"{"doubleValue":"NaN"}"#, #"{"doubleValue":1.}"#, #"{"boolValue":true}"#,
        #"{"boolValue":false}"#, #"{"boolValue":truee}"#, #"{"bytesValue":"AQ=="}"#,
        #"{"arrayValue":{"values":[]}}"#, #"{"stringValue":"a","intValue":"1"}"#, "{}", "null",
        #"{"stringValue":"\#(String(repeating: "x", count: 120))"}"#,
        #"{"stringValue":"\#(String(repeating: "x", count: 128))"}"#,
        #"{"stringValue":"\#(String(repeating: "x", count: 17_000))"}"#,
    ])
    func `An attribute in its usual form is read as in any other`(value: String) {
        for key in ["", "k", "é", "k\\n", String(repeating: "k", count: 128)] {
            let results = ["", " "].map { space in
                let attribute = "{\(space)\"key\":\"\(key)\",\"value\":\(value)}"
                let padding = String(repeating: " ", count: 100)
                let json = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[\(attribute)]}}]}"
                do throws(OTLPJSONError) {
                    return try hex(json + padding)
                } catch {
                    return "\(error.reason)"
                }
            }
            #expect(results[0] == results[1])
        }
    }

    @Test func `Memory that served one request serves the next`() throws {
        var transcoder = OTLPJSON.Transcoder()
        for (signal, text) in samples + samples.reversed() {
            let body = Array(text.utf8)
            let broken = Array(body.dropLast())
            let expected = try transcoded(body, signal).protobuf
            // SAFETY: bytes have no padding.
            #expect(throws: OTLPJSONError.self) {
                try unsafe transcoder.transcode(
                    broken.span.bytes, as: signal, outputBytesMax: 1 << 20)
            }
            let result = try unsafe transcoder.transcode(
                body.span.bytes, as: signal, outputBytesMax: 1 << 20)
            #expect(result.protobuf == expected)
        }
    }

    @Test func `A limit holds for memory that was larger before`() throws {
        var transcoder = OTLPJSON.Transcoder()
        let url = String(repeating: "u", count: 5000)
        let body = Array("{\"resourceSpans\":[{\"schemaUrl\":\"\(url)\"}]}".utf8)
        // SAFETY: bytes have no padding.
        _ = try unsafe transcoder.transcode(
            body.span.bytes, as: .traces, outputBytesMax: 1 << 20)
        let error = #expect(throws: OTLPJSONError.self) {
            try unsafe transcoder.transcode(
                body.span.bytes, as: .traces, outputBytesMax: 4000)
        }
        #expect(error?.reason == .tooLarge(bytesMax: 4000))
    }

    /// The fuzzer's seeds and findings; the first byte picks the signal, as in Fuzz/JSONFuzz.swift.
    @Test func `Every input of the fuzzer's corpus comes back the same`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let corpus = root.appending(path: "Fuzz/Corpus/JSON")
        let files = try FileManager.default.contentsOfDirectory(
            at: corpus, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        for file in files {
            let input = [UInt8](try Data(contentsOf: file))
            let signal = try #require(Signal(rawValue: input[0] % 3))
            guard let first = try? transcoded(Array(input.dropFirst()), signal) else { continue }
            let line = try json(of: first.protobuf, signal)
            let second = try transcoded(line, signal).protobuf
            #expect(try json(of: second, signal) == line, "\(file.lastPathComponent)")
        }
    }
}
