import Bytes
import Compression
import Foundation
import OTLP
import Pipeline
import Platform
import Testing

@testable import Exporters

@Suite struct FileExporterTests {
    let testing = ExporterTesting()
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func make(_ more: String = "", name: String = "out.json") throws -> any Exporter {
        try testing.make(FileExporterFactory.self, "path: \(scratch.file(name))\n\(more)")
    }

    private func spans(in json: some StringProtocol) throws -> [UInt8] {
        try OTLPJSON.transcode(
            Array(json.utf8).rawSpan, as: .traces, outputBytesMax: 1 << 20
        ).protobuf
    }

    /// Requests that JSON can hold: no unknown fields.
    private func request(_ name: String) throws -> [UInt8] {
        try payload(
            .traces, #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\#(name)"}]}]}]}"#)
    }

    @Test func `A request is a line, which says the same`() throws {
        let exporter = try make()
        let requests = try [#"a\nb"#, "ü"].map(request)
        #expect(exporter.export(try lot(.traces, requests[0], requests[1])) == .accepted())
        #expect(exporter.export(try lot(.traces, requests[0])) == .accepted())
        let lines = try scratch.text("out.json").split(separator: "\n")
        #expect(try lines.map(spans) == [requests[0], requests[1], requests[0]])
        #expect(try scratch.text("out.json").hasSuffix("}\n"))
    }

    /// `make test` puts Python's packages there before it runs anything.
    private static let python = URL(filePath: #filePath)
        .appending(path: "../../../../.venv/bin/python").standardized.path

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: python), "no .venv"))
    func `Python's protobuf reads the lines`() throws {
        let exporter = try make()
        let metrics = try payload(
            .metrics,
            """
            {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"h","histogram":{
              "dataPoints":[{"timeUnixNano":"1700000000000000000","count":"3","sum":1.5,
              "bucketCounts":["1","2"],"explicitBounds":[0.5]}]}}]}]}]}
            """)
        #expect(exporter.export(try lot(.metrics, metrics)) == .accepted())
        let script = """
            import sys
            from google.protobuf import json_format
            from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
            line = open(sys.argv[1]).read()
            request = json_format.Parse(line, service.ExportMetricsServiceRequest())
            sys.stdout.write(request.SerializeToString(deterministic=True).hex())
            """
        let python = Process()
        python.executableURL = URL(filePath: Self.python)
        python.arguments = ["-c", script, scratch.file("out.json")]
        let output = Pipe()
        python.standardOutput = output
        try python.run()
        let hex = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        python.waitUntilExit()
        #expect(python.terminationStatus == 0)
        let digits = Array(hex.utf8)
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { offset -> UInt8? in
            UInt8(String(decoding: digits[offset..<offset + 2], as: UTF8.self), radix: 16)
        }
        // Both write fields in the order of their numbers.
        #expect(bytes == metrics)
    }

    @Test(arguments: ["", "append: true"])
    func `A restart goes on where the file ends`(more: String) throws {
        for name in ["a", "b"] {
            let exporter = try make(more)
            #expect(exporter.export(try lot(.traces, try request(name))) == .accepted())
            exporter.close()
        }
        #expect(try scratch.text("out.json").split(separator: "\n").count == 2)
    }

    @Test func `Without append the file begins anew, once`() throws {
        try scratch.write("out.json", "old\n")
        let exporter = try make("append: false")
        #expect(exporter.export(try lot(.traces, try request("a"))) == .accepted())
        #expect(exporter.export(try lot(.traces, try request("b"))) == .accepted())
        let lines = try scratch.text("out.json").split(separator: "\n")
        #expect(try lines.map(spans) == [try request("a"), try request("b")])
    }

    @Test(arguments: ["proto", "json"], ["none", "zstd"])
    func `Records other than lines carry their length`(
        format: String, compression: String
    ) throws {
        guard (format, compression) != ("json", "none") else { return }
        let exporter = try make("format: \(format)\ncompression: \(compression)")
        let requests = try ["a", "b"].map(request)
        #expect(exporter.export(try lot(.traces, requests[0], requests[1])) == .accepted())
        var rest = try scratch.bytes("out.json")[...]
        var decompressor = Decompressor()
        var found: [[UInt8]] = []
        while !rest.isEmpty {
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            var record = Array(rest.dropFirst(4).prefix(length))
            rest = rest.dropFirst(4 + length)
            if compression == "zstd" {
                record = try decompressor.decompress(record.rawSpan, .zstd, limit: 1 << 20)
            }
            found.append(
                format == "json" ? try spans(in: String(decoding: record, as: UTF8.self)) : record)
        }
        #expect(found == requests)
    }

    @Test func `A full disk is tried again`() throws {
        let exporter = try testing.make(FileExporterFactory.self, "path: /dev/full")
        #expect(
            exporter.export(try lot(.traces, try request("a")))
                == .retry(after: nil, because: "/dev/full: write: No space left on device"))
    }

    @Test func `A second exporter waits for the file's lock`() throws {
        let first = try make()
        let second = try make()
        let lot = try lot(.traces, try request("a"))
        #expect(first.export(lot) == .accepted())
        guard case .retry(nil, let reason) = second.export(lot) else {
            Issue.record("two writers would mix their lines")
            return
        }
        #expect(reason.contains("another exporter"))
        first.close()
        #expect(second.export(lot) == .accepted())
        #expect(try scratch.text("out.json").split(separator: "\n").count == 2)
    }

    @Test func `A file that was moved away is left alone`() throws {
        let exporter = try make()
        #expect(exporter.export(try lot(.traces, try request("a"))) == .accepted())
        try FileSystem.rename(scratch.file("out.json"), to: scratch.file("moved"))
        #expect(exporter.export(try lot(.traces, try request("b"))) == .accepted())
        #expect(try spans(in: try scratch.text("moved")) == request("a"))
        #expect(try spans(in: try scratch.text("out.json")) == request("b"))
    }

    @Test func `A directory is made when the settings say so`() throws {
        let name = "a/b/out.json"
        #expect(throws: ComponentError.self) { try make(name: name) }
        _ = try make("create_directory: true", name: name)
        #expect(FileSystem.isDirectory(scratch.file("a/b")))
    }

    @Test(arguments: [
        ("{}", "path: is required"), ("path: p\nencoding: otlp", "format"),
        ("path: p\ngroup_by: {enabled: true, resource_attribute: x}", "not built"),
        ("path: p\ncompression: gzip", "none, zstd"), ("path: p\nformat: csv", "json, proto"),
        ("path: p\ndirectory_permissions: \"999\"", "0755"),
        ("path: p\nrotation: {max_megabyte: 3}", "max_megabytes"),
    ])
    func `What is wrong is an error that says so`(yaml: String, expected: String) {
        let (_, report) = read(FileExporterFactory.self, yaml)
        #expect(report.contains("error:"))
        #expect(report.contains(expected), "\(report)")
    }
}
