import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite struct FileRotationTests {
    let testing = ExporterTesting()
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func make(_ rotation: String) throws -> any Exporter {
        try testing.make(
            FileExporterFactory.self,
            "path: \(scratch.file("out.json"))\nfsync: false\nrotation: {\(rotation)}")
    }

    /// A request whose line is a good 700 KB.
    private func large(_ name: Character) throws -> Lot {
        let name = String(repeating: name, count: 700_000)
        return try lot(
            .traces,
            try payload(
                .traces, #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\#(name)"}]}]}]}"#))
    }

    @Test func `A full file gets the time as its name, and nothing is lost`() throws {
        let exporter = try make("max_megabytes: 1")
        for name in ["a", "b", "c"] as [Character] {
            #expect(exporter.export(try large(name)) == .accepted())
            testing.clock.advance(by: .seconds(1))
        }
        #expect(
            scratch.names == [
                "out-2026-11-20T16-40-39.123.json", "out-2026-11-20T16-40-40.123.json", "out.json",
            ])
        #expect(try scratch.text(scratch.names[0]).contains("aaaa"))
        #expect(try scratch.text(scratch.names[1]).contains("bbbb"))
        #expect(try scratch.text("out.json").contains("cccc"))
    }

    @Test func `Two files of one millisecond have two names`() throws {
        let exporter = try make("max_megabytes: 1")
        for name in ["a", "b", "c"] as [Character] {
            #expect(exporter.export(try large(name)) == .accepted())
        }
        #expect(
            scratch.names == [
                "out-2026-11-20T16-40-38.123.json", "out-2026-11-20T16-40-38.124.json", "out.json",
            ])
    }

    @Test func `A restart counts what is in the file`() throws {
        for name in ["a", "b"] as [Character] {
            let exporter = try make("max_megabytes: 1")
            #expect(exporter.export(try large(name)) == .accepted())
            exporter.close()
        }
        #expect(scratch.names.count == 2)
    }

    @Test func `The newest files are kept, and other files are left alone`() throws {
        let others = ["out-notes.json", "out-2026-11-20T16-40-38.123.txt", "out.json.torn"]
        for name in others { try scratch.write(name, "mine") }
        let exporter = try make("max_megabytes: 1, max_backups: 1")
        for name in ["a", "b", "c", "d"] as [Character] {
            #expect(exporter.export(try large(name)) == .accepted())
            testing.clock.advance(by: .seconds(1))
        }
        let kept = ["out-2026-11-20T16-40-41.123.json", "out.json"]
        #expect(scratch.names == (others + kept).sorted())
        #expect(try scratch.text(kept[0]).contains("cccc"))
    }

    @Test func `Files beyond their days are removed`() throws {
        try scratch.write("out-2026-11-18T16-40-38.122.json", "old")
        try scratch.write("out-2026-11-18T16-40-38.124.json", "young enough")
        let exporter = try make("max_megabytes: 1, max_days: 2")
        #expect(exporter.export(try large("a")) == .accepted())
        #expect(exporter.export(try large("b")) == .accepted())
        #expect(
            scratch.names == [
                "out-2026-11-18T16-40-38.124.json", "out-2026-11-20T16-40-38.123.json", "out.json",
            ])
        #expect(testing.logLines.contains { $0.contains("out-2026-11-18T16-40-38.122.json") })
    }
}
