import Compression
import HTTPClient
import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct OTLPHTTPSettingsTests {
    @Test func `The defaults are the Collector's, but that nothing is given up`() {
        let (settings, report) = read(
            OTLPHTTPExporterFactory.self, "endpoint: http://localhost:4318")
        #expect(report == "")
        #expect(settings.http.timeout == .seconds(30))
        #expect(settings.http.compression == .gzip)
        #expect(settings.encoding == .proto)
        #expect(settings.delivery == DeliverySettings())
        #expect(settings.delivery.retry.maxElapsedTime == .zero)
    }

    @Test(arguments: [
        ("endpoint: http://h:4318", "http://h:4318/v1/logs"),
        ("endpoint: http://h:4318/", "http://h:4318/v1/logs"),
        ("endpoint: http://h/otlp", "http://h/otlp/v1/logs"),
        ("endpoint: http://h:1\nlogs_endpoint: http://h:2/in", "http://h:2/in"),
        ("logs_endpoint: http://[::1]:2/in?a=b", "http://[::1]:2/in?a=b"),
    ])
    func `Where logs go`(yaml: String, url: String) {
        let (settings, report) = read(OTLPHTTPExporterFactory.self, yaml)
        #expect(report == "")
        #expect(settings.urls[.logs].map { "\($0)" } == url)
    }

    @Test(arguments: [
        ("{}", "endpoint"),
        ("endpoint: https://h", "https is not built yet"),
        ("endpoint: h:4318", "http://"),
        ("endpoint: http://h\ntls: {ca_file: x}", "tls.ca_file"),
        ("endpoint: http://h\nauth: {authenticator: x}", "headers"),
        ("endpoint: http://h\ncompression: brotli", "gzip, zstd, zlib, deflate"),
        ("endpoint: http://h\nencoding: xml", "proto, json"),
        ("endpoint: http://h\nheaders: {Content-Length: '3'}", "Content-Length"),
        ("endpoint: http://h\nheaders: {content-type: text/plain}", "Content-Type"),
        ("endpoint: http://h\nheaders: {\"a b\": c}", "name"),
        ("endpoint: http://h\ntimeout: 0s", "timeout"),
        ("endpont: http://h", "did you mean 'endpoint'?"),
    ])
    func `What is wrong is an error that says so`(yaml: String, expected: String) {
        let (_, report) = read(OTLPHTTPExporterFactory.self, yaml)
        #expect(report.contains("error:"))
        #expect(report.contains(expected), "\(report)")
    }

    @Test(arguments: [
        "proxy_url: http://p", "read_buffer_size: 4096", "write_buffer_size: 4096",
        "max_conns_per_host: 7", "http2_ping_timeout: 3s", "http2_read_idle_timeout: 3s",
        "force_attempt_http2: true", "cookies: {enabled: true}", "compression_params: {level: 11}",
    ])
    func `What changes nothing here is a warning`(line: String) {
        let (_, report) = read(OTLPHTTPExporterFactory.self, "endpoint: http://h\n\(line)")
        #expect(report.contains("warning:"))
        #expect(!report.contains("error:"))
    }

    @Test func `The Collector's insecure beside an http endpoint is fine`() {
        let (_, report) = read(
            OTLPHTTPExporterFactory.self, "endpoint: http://h\ntls: {insecure: true}")
        #expect(report == "")
    }

    @Test func `A secret never shows in a report`() {
        let (_, report) = read(
            OTLPHTTPExporterFactory.self,
            "endpoint: http://h\nheaders: {Authorization: \"s3cr3t\\nx\"}")
        #expect(report.contains("error:"))
        #expect(!report.contains("s3cr3t"))
    }

    @Test func `Connections are kept for each consumer, or as the settings say`() {
        for (yaml, count) in [
            ("sending_queue: {num_consumers: 40}", 40), ("max_idle_conns: 3", 3),
            ("disable_keep_alives: true", 0),
        ] {
            let (settings, _) = read(
                OTLPHTTPExporterFactory.self, "endpoint: http://h\n\(yaml)")
            #expect(settings.http.client.idleConnectionsMax == count)
        }
    }

    @Test(arguments: [
        ("", LotLimits.whatIsThere), ("encoding: json", .whatIsThereForJSON),
        (
            "encoding: json\nsending_queue: {batch: {min_size: 0, max_size: 1}}",
            LotLimits(waitMax: .milliseconds(200), itemsMax: 1)
        ),
    ])
    func `What waits goes together, less of it as JSON`(yaml: String, lots: LotLimits) {
        let (settings, report) = read(
            OTLPHTTPExporterFactory.self, "endpoint: http://h\n\(yaml)")
        #expect(report == "")
        #expect(settings.delivery.lots == lots)
    }

    @Test func `Every exporter has a name of its own`() {
        let names = Exporters.all.flatMap { [$0.type] + $0.aliases }
        #expect(Set(names).count == names.count)
        #expect(names.contains("otlphttp"))
    }
}
