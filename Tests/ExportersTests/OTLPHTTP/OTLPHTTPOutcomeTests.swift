import Bytes
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry
import Testing

@testable import Exporters

@Suite struct OTLPHTTPOutcomeTests {
    let testing = ExporterTesting()

    /// What comes of one span, sent to a server that answers so.
    private func outcome(_ reply: ReplyServer.Reply, _ more: String = "") throws -> ExportOutcome {
        let server = try ReplyServer(reply)
        defer { server.stop() }
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self, "endpoint: \(server.url)\n\(more)")
        return exporter.export(try lot(.traces, try oneSpan()))
    }

    @Test(arguments: [429, 502, 503, 504])
    func `These four are tried again`(status: Int) throws {
        guard case .retry(nil, let reason) = try outcome(.response(status)) else {
            Issue.record("\(status) is retryable")
            return
        }
        #expect(reason.hasPrefix("\(status)"))
    }

    @Test(arguments: [400, 401, 403, 404, 405, 408, 415, 500, 501, 505, 599])
    func `Any other failure is final`(status: Int) throws {
        let outcome = try outcome(.response(status, type: "text/plain", "no\u{1b}[31m such\nthing"))
        guard case .reject(let reason) = outcome else {
            Issue.record("\(status) is final")
            return
        }
        #expect(reason.hasPrefix("\(status)"))
        #expect(reason.hasSuffix(#": no\u{1B}[31m such\nthing"#))
    }

    @Test func `A request that is too large may succeed in parts`() throws {
        #expect(
            try outcome(.response(413, type: "text/plain", "20 kB at most"))
                == .tooLarge(because: "413 Content Too Large: 20 kB at most"))
    }

    @Test(arguments: [200, 202, 204])
    func `A success without a body is one`(status: Int) throws {
        let reply = ReplyServer.Reply.bytes(
            Array(
                "HTTP/1.1 \(status) Fine\r\n\(status == 204 ? "" : "Content-Length: 0\r\n")\r\n"
                    .utf8))
        #expect(try outcome(reply) == .accepted())
        #expect(testing.logLines == [])
    }

    @Test func `A redirect is rejected, and says where to`() throws {
        let reply = ReplyServer.Reply.response(308, ["Location": "https://elsewhere/v1/traces"])
        guard case .reject(let reason) = try outcome(reply) else {
            Issue.record("redirects are not followed")
            return
        }
        #expect(reason.contains("https://elsewhere/v1/traces"))
    }

    @Test(arguments: [("7", 7), ("0", 0), ("99999999", 600), ("Fri, 20 Nov 2026 16:41:08 GMT", 30)])
    func `Retry-After is heeded up to ten minutes`(value: String, seconds: Int64) throws {
        let reply = ReplyServer.Reply.response(503, ["Retry-After": value])
        guard case .retry(let delay?, _) = try outcome(reply) else {
            Issue.record("there is a delay")
            return
        }
        #expect(abs((delay - .seconds(seconds)).nanoseconds) < 1_000_000_000)
    }

    @Test func `A Retry-After that nobody understands is none`() throws {
        let reply = ReplyServer.Reply.response(429, ["Retry-After": "soon"])
        guard case .retry(nil, _) = try outcome(reply) else {
            Issue.record("there is no delay")
            return
        }
    }

    @Test func `The message of a Status stands in the reason`() throws {
        var status = ProtobufWriter()
        status.int(1, 3)
        status.string(2, "name is missing")
        let reply = ReplyServer.Reply.response(
            400, ["Content-Type": "application/x-protobuf"], body: status.bytes)
        #expect(try outcome(reply) == .reject(because: "400 Bad Request: name is missing"))
    }

    @Test(arguments: [
        ReplyServer.Reply.close, .bytes(Array("SSH-2.0-OpenSSH_9.2\r\n\r\n".utf8)),
        .bytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n".utf8)),
    ])
    func `A server that answers nothing, or nonsense, is tried again`(
        reply: ReplyServer.Reply
    ) throws {
        guard case .retry(nil, let reason) = try outcome(reply) else {
            Issue.record("it may recover")
            return
        }
        #expect(reason.contains("127.0.0.1"))
    }

    @Test func `A server that hangs is tried again after the timeout`() throws {
        guard case .retry(nil, let reason) = try outcome(.hang, "timeout: 50ms") else {
            Issue.record("it may recover")
            return
        }
        #expect(reason.contains("timed out"))
    }

    @Test func `A server that is not there is tried again`() throws {
        let server = try ReplyServer(.ok)
        server.stop()
        // Closed by now: the port was this process's own a moment ago.
        let exporter = try testing.make(
            OTLPHTTPExporterFactory.self, "endpoint: http://127.0.0.1:1")
        guard case .retry(nil, _) = exporter.export(try lot(.traces, try oneSpan())) else {
            Issue.record("it may come up")
            return
        }
    }

    @Test func `Abort ends a call that waits`() throws {
        let server = try ReplyServer(.hang)
        defer { server.stop() }
        let exporter = try testing.make(OTLPHTTPExporterFactory.self, "endpoint: \(server.url)")
        let lot = try lot(.traces, try oneSpan())
        let answer = Mutex<ExportOutcome?>(nil)
        let thread = try Thread(name: "consumer") {
            let outcome = exporter.export(lot)
            answer.withLock { $0 = outcome }
        }
        server.waitForRequests(1)
        exporter.abort()
        thread.join()
        guard case .retry? = answer.withLock({ $0 }) else {
            Issue.record("what was not delivered may yet be")
            return
        }
    }

    @Test func `A signal without an endpoint is rejected, and known beforehand`() throws {
        let yaml = "traces_endpoint: http://127.0.0.1:1/in"
        let (settings, report) = read(OTLPHTTPExporterFactory.self, yaml)
        #expect(report == "")
        #expect(OTLPHTTPExporterFactory.signals(settings) == [.traces])
        let exporter = try testing.make(OTLPHTTPExporterFactory.self, yaml)
        #expect(
            exporter.export(try lot(.logs, [])) == .reject(because: "there is no endpoint for logs")
        )
    }
}
