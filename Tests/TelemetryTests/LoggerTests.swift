import Foundation
import Platform
import Synchronization
import Testing

@testable import Telemetry

struct LoggerTests {
    private let captured = CapturedLog()

    private func context() throws -> TraceContext {
        try #require(
            TraceContext(
                traceparent: "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"))
    }

    @Test func `A text line has time, level, message and fields in columns`() {
        let log = Logger(captured.output(.text)).component("otlp/eu", kind: "receiver")
        log.warn("request refused", LogField("status", 413), LogField("reason", "too large"))
        #expect(
            captured.lines == [
                "2026-11-20T16:40:38.123Z WARN  request refused"
                    + String(repeating: " ", count: 25)
                    + " component=otlp/eu kind=receiver status=413 reason=\"too large\"\n"
            ])
    }

    @Test func `A JSON line parses and has every kind of value`() throws {
        let log = Logger(captured.output(.json))
            .component("sqlite", kind: "exporter", pipeline: "traces")
        log.info(
            "lot written", LogField("spans", 12), LogField("bytes", UInt64.max),
            LogField("took", Duration.milliseconds(1_500)), LogField("synced", .boolean(true)),
            LogField("rate", .double(.nan)), LogField("file", "a\"b\n"), trace: try context())
        let line = try #require(captured.lines.first)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["time"] as? String == "2026-11-20T16:40:38.123Z")
        #expect(object["level"] as? String == "info")
        #expect(object["message"] as? String == "lot written")
        #expect(object["component"] as? String == "sqlite")
        #expect(object["kind"] as? String == "exporter")
        #expect(object["pipeline"] as? String == "traces")
        #expect(object["trace_id"] as? String == "0af7651916cd43dd8448eb211c80319c")
        #expect(object["span_id"] as? String == "00f067aa0ba902b7")
        #expect(object["spans"] as? Int == 12)
        #expect(object["bytes"] as? UInt64 == UInt64.max)
        #expect(object["took"] as? Double == 1.5)
        #expect(object["synced"] as? Bool == true)
        #expect(object["rate"] as? String == "nan")
        #expect(object["file"] as? String == "a\"b\n")
    }

    @Test func `Lines below the level are not written, and the level may change`() {
        let output = captured.output(.text, level: .warn)
        let log = Logger(output)
        log.info("quiet")
        #expect(captured.lines.isEmpty)
        #expect(!log.isEnabled(.info))
        output.level = .debug
        log.debug("loud")
        #expect(captured.lines.count == 1)
    }

    @Test(
        arguments: [
            ("a\u{1b}[31mb", #""a\u001b[31mb""#), ("x\ny", #""x\ny""#), ("", #""""#),
            ("\u{9b}31m", #""\u009b31m""#), ("\u{202e}txt", #""\u202etxt""#),
            ("a=b", #""a=b""#), ("plain", "plain"), (#"c:\d"#, #""c:\\d""#), ("é", "é"),
            ("\0", #""\u0000""#),
        ])
    func `What could disturb a terminal is escaped`(value: String, written: String) {
        Logger(captured.output(.text)).info("m", LogField("v", value))
        #expect(captured.lines.first?.hasSuffix(" v=\(written)\n") == true)
    }

    @Test(arguments: [LogEncoding.text, .json])
    func `A line is bounded whatever its fields hold`(encoding: LogEncoding) throws {
        let long = String(repeating: "\u{1}é\"", count: 5_000)
        Logger(captured.output(encoding)).log(
            .error, "too much", (0..<40).map { _ in LogField("field", long) })
        let line = try #require(captured.lines.first)
        #expect(line.utf8.count <= LogLineWriter.lineBytesMax)
        #expect(line.utf8.count > LogLineWriter.lineBytesMax / 2)
        #expect(line.filter { $0 == "\n" }.count == 1)
        #expect(line.contains("line_truncated"))
        #expect(line.contains("…"))
        if encoding == .json {
            #expect(throws: Never.self) {
                try JSONSerialization.jsonObject(with: Data(line.utf8))
            }
        }
    }

    @Test func `Of a flood one line is written, and how many more there were`() {
        let output = captured.output(.text)
        let log = Logger(output).component("otlp", kind: "receiver").rateLimited
        for status in 0..<100 { log.warn("request refused", LogField("status", status)) }
        log.warn("another message")
        #expect(captured.lines.count == 2)
        output.reportSuppressed()
        #expect(captured.lines.count == 2)
        captured.clock.advance(by: LogOutput.rateLimitWindow)
        output.reportSuppressed()
        #expect(captured.lines.count == 3)
        #expect(captured.lines[2].contains("WARN  more of: request refused"))
        #expect(captured.lines[2].contains("component=otlp suppressed=99 window_seconds=10"))
        log.warn("request refused")
        #expect(captured.lines.count == 4)
    }

    @Test func `At the end all counts are told, windows open or not`() {
        let output = captured.output(.text)
        let log = Logger(output).rateLimited
        log.warn("m")
        log.warn("m")
        output.reportSuppressed(all: true)
        #expect(captured.lines.last?.contains("suppressed=1") == true)
    }

    @Test func `A line that the sink does not take is counted`() {
        let output = captured.output(.text)
        captured.isWorking.withLock { $0 = false }
        Logger(output).info("lost")
        #expect(output.linesLost == 1)
    }

    @Test func `Levels and encodings are read by the names of the configuration`() {
        #expect(LogLevel(name: "INFO") == .info)
        #expect(LogLevel(name: "warning") == nil)
        #expect(LogEncoding(name: "console") == .text)
        #expect(LogEncoding(name: "json") == .json)
        #expect(LogEncoding(name: "xml") == nil)
    }
}
