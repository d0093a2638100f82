import OTLP
import Testing

@Suite struct JSONResponseTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test(arguments: Signal.allCases)
    func `A full success leaves partial_success unset`(signal: Signal) {
        #expect(ExportResponse.success.encoded(.protobuf, signal: signal) == [])
        #expect(text(ExportResponse.success.encoded(.json, signal: signal)) == "{}")
    }

    @Test(
        arguments: zip(
            Signal.allCases, ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]))
    func `A partial success counts and explains`(signal: Signal, name: String) throws {
        let response = ExportResponse(rejectedCount: 300, errorMessage: "a \"b\"")
        let protobuf = response.encoded(.protobuf, signal: signal)
        #expect(protobuf == [0x0A, 10, 0x08, 0xAC, 0x02, 0x12, 5] + Array("a \"b\"".utf8))
        let json = response.encoded(.json, signal: signal)
        #expect(
            text(json) == #"{"partialSuccess":{"\#(name)":"300","errorMessage":"a \"b\""}}"#)
        // What a client of ours reads from another server.
        // SAFETY: bytes have no padding.
        let read = try unsafe OTLPJSON.transcode(
            json.span.bytes, as: signal, .response, outputBytesMax: 1 << 20)
        #expect(read.protobuf == protobuf)
    }

    @Test func `A warning has a message and rejects nothing`() {
        let warning = ExportResponse(rejectedCount: 0, errorMessage: "w")
        #expect(warning.encoded(.protobuf, signal: .logs) == [0x0A, 3, 0x12, 1, 0x77])
        #expect(
            text(warning.encoded(.json, signal: .logs))
                == #"{"partialSuccess":{"errorMessage":"w"}}"#)
    }

    @Test func `Messages to clients are cut between characters`() {
        let response = ExportResponse(
            rejectedCount: 1, errorMessage: "a" + String(repeating: "é", count: 10_000))
        #expect(response.errorMessage.utf8.count == 8191)
        #expect(response.errorMessage.hasSuffix("é"))
    }

    /// The bytes are those of Python's protobuf for the same message (googleapis-common-protos).
    @Test func `A status carries its details in protobuf`() {
        let status = RPCStatus(
            .invalidArgument, "bad", violations: [.init(field: "f", description: "d")],
            retryDelay: .milliseconds(1500))
        #expect(
            status.encoded(.protobuf).hexDigits
                == "080312036261641a350a29747970652e676f6f676c65617069732e636f6d2f676f6f676c652e72"
                + "70632e4261645265717565737412080a060a01661201641a360a28747970652e676f6f676c6561"
                + "7069732e636f6d2f676f6f676c652e7270632e5265747279496e666f120a0a0808011080cab5ee"
                + "01")
    }

    @Test func `A status carries its details in JSON`() {
        let status = RPCStatus(
            .unavailable, "full", violations: [.init(field: "a.b[0]", description: "\n")],
            retryDelay: .seconds(2))
        #expect(
            text(status.encoded(.json))
                == #"{"code":14,"message":"full","details":["#
                + #"{"@type":"type.googleapis.com/google.rpc.BadRequest","#
                + #""fieldViolations":[{"field":"a.b[0]","description":"\n"}]},"#
                + #"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2s"}]}"#)
    }

    @Test(
        arguments: [
            (.milliseconds(1500), "1.500s"), (.nanoseconds(1), "0.000000001s"),
            (.seconds(-1), "0s"),
            (.microseconds(20), "0.000020s"),
        ] as [(Duration, String)])
    func `A retry delay has 0, 3, 6 or 9 digits of fraction`(delay: Duration, expected: String) {
        let json = text(RPCStatus(.unavailable, "", retryDelay: delay).encoded(.json))
        #expect(json.contains("\"retryDelay\":\"\(expected)\""))
    }
}
