import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite(.enabled(if: SmallDisk.isPossible, "root may mount a small file system"))
struct FileFullDiskTests {
    let testing = ExporterTesting()

    @Test func `A lot that only partly fits leaves no part, and fits once there is room`() throws {
        let disk = try SmallDisk(kibibytes: 64)
        let exporter = try testing.make(FileExporterFactory.self, "path: \(disk.path)/out")
        func request(_ name: Character, _ count: Int) throws -> Lot {
            let name = String(repeating: name, count: count)
            return try lot(
                .traces,
                try payload(
                    .traces,
                    #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\#(name)"}]}]}]}"#))
        }
        try FileSystem.replace("\(disk.path)/filler", with: [UInt8](repeating: 0, count: 32 << 10))
        #expect(exporter.export(try request("a", 100)) == .accepted())
        let before = try FileSystem.read("\(disk.path)/out", bytesMax: 1 << 20)
        guard case .retry(nil, let reason) = exporter.export(try request("b", 40_000)) else {
            Issue.record("the disk is full")
            return
        }
        #expect(reason.contains("No space left"))
        #expect(try FileSystem.read("\(disk.path)/out", bytesMax: 1 << 20) == before)
        try FileSystem.remove("\(disk.path)/filler")
        #expect(exporter.export(try request("b", 40_000)) == .accepted())
        let after = try FileSystem.read("\(disk.path)/out", bytesMax: 1 << 20)
        #expect(after.starts(with: before))
        #expect(after.split(separator: UInt8(ascii: "\n")).count == 2)
        exporter.close()
    }
}
