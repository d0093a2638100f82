import Bytes
import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite struct FileRepairTests {
    let testing = ExporterTesting()
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func export(_ more: String) throws -> ExportOutcome {
        let exporter = try testing.make(
            FileExporterFactory.self, "path: \(scratch.file("out"))\n\(more)")
        defer { exporter.close() }
        return exporter.export(try lot(.traces, []))
    }

    @Test func `Half a line at the end is set aside, and the next begins a line`() throws {
        try scratch.write("out", "{\"whole\":1}\n{\"half\":")
        #expect(try export("") == .accepted())
        #expect(try scratch.text("out") == "{\"whole\":1}\n{}\n")
        #expect(try scratch.text("out.torn") == "{\"half\":\n")
        #expect(testing.logLines.contains { $0.contains("bytes=8") })
    }

    @Test func `A second torn end joins the first`() throws {
        for half in ["one", "two"] {
            try scratch.write("out", half)
            #expect(try export("") == .accepted())
        }
        #expect(try scratch.text("out.torn") == "one\ntwo\n")
    }

    @Test func `The half line may be longer than a piece of reading`() throws {
        let half = String(repeating: "x", count: 200_000)
        try scratch.write("out", "{}\n" + half)
        #expect(try export("") == .accepted())
        #expect(try scratch.text("out") == "{}\n{}\n")
        #expect(try scratch.text("out.torn") == half + "\n")
    }

    @Test func `A whole file is left as it is`() throws {
        try scratch.write("out", "{}\n")
        #expect(try export("") == .accepted())
        #expect(scratch.names == ["out"])
    }

    @Test(arguments: 0...12)
    func `A record cut anywhere is set aside with what follows`(count: Int) throws {
        // Two records: 00 00 00 02 "ab", 00 00 00 02 "cd".
        let records = Array("\0\0\0\u{2}ab\0\0\0\u{2}cd".utf8)
        try FileSystem.replace(scratch.file("out"), with: Array(records.prefix(count)))
        #expect(try export("format: proto") == .accepted())
        let whole = count / 6 * 6
        #expect(try scratch.bytes("out") == Array(records.prefix(whole)) + [0, 0, 0, 0])
        #expect(scratch.names.contains("out.torn") == (count != whole))
    }
}
