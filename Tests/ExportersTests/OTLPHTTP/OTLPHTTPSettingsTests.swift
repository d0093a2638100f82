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
        "auth: null", "auth: {enabled: false}", "middlewares: []", "tls: null",
        "headers: {a: null}",
        "cookies: null", "cookies: {enabled: false}", "timeout: null", "compression: ''",
        "retry_on_failure: {multiplier: 0.5}", "sending_queue: null", "profiles_endpoint: null",
        "sending_queue: {batch: {enabled: false}}", "max_idle_conns: 100000",
    ])
    func `What is not set, or turned off, says nothing`(line: String) {
        let (_, report) = read(OTLPHTTPExporterFactory.self, "endpoint: http://h\n\(line)")
        #expect(report == "")
    }

    @Test(arguments: [
        ("sizer: bytes, batch: {min_size: 5, max_size: 7}", 0, 5),
        ("sizer: bytes, batch: {sizer: items, min_size: 5}", 5, 0),
        ("sizer: items, batch: {min_size: 5}", 5, 0),
        ("sizer: bytes, batch: {}", 0, 8192),
        ("sizer: bytes, batch: null", 8192, 0),
        ("sizer: null, batch: {min_size: 5}", 5, 0),
    ])
    func `The queue's sizer is the batch's where that has none`(
        queue: String, items: Int, bytes: Int
    ) {
        let (settings, report) = read(
            OTLPHTTPExporterFactory.self, "endpoint: http://h\nsending_queue: {\(queue)}")
        #expect(report == "")
        #expect(settings.delivery.lots.itemsMin == items)
        #expect(settings.delivery.lots.bytesMin == bytes)
    }

    @Test(arguments: [
        ("{}", "endpoint"),
        ("endpoint: https://h", "https is not built yet"),
        ("endpoint: h:4318", "http://"),
        ("endpoint: http://h\ntls: {ca_file: x}", "tls.ca_file"),
        ("endpoint: http://h\nauth: {authenticator: x}", "headers"),
        ("endpoint: http://h\ncompression: brotli", ", none; found the string 'brotli'"),
        ("endpoint: http://h\ncompression: GZIP", "found the string 'GZIP'"),
        ("endpoint: http://h\nencoding: xml", "proto, json"),
        ("endpoint: http://h\nheaders: {Content-Length: '3'}", "Content-Length"),
        ("endpoint: http://h\nheaders: {content-type: text/plain}", "Content-Type"),
        ("endpoint: http://h\nheaders: {\"a b\": c}", "name"),
        ("endpoint: http://h\ntimeout: 10us", "timeout: must be at least 1ms"),
        (
            "endpoint: http://h\nsending_queue: {sizer: requests, batch: {min_size: 1}}",
            "batch.sizer"
        ),
        (
            "endpoint: http://h\nsending_queue: {sizer: items, queue_size: 5, batch: {min_size: 10}}",
            "10 is more than the queue_size of 5"
        ),
        (
            "endpoint: http://h\nsending_queue: {batch: {partition: {metadata_keys: [a, A]}}}",
            "has 'A' twice"
        ),
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
        "timeout: 0", "timeout: 3h", "profiles_endpoint: http://h/p", "cookies: {}",
        "sending_queue: {num_consumers: 1000}",
        "sending_queue: {batch: {partition: {metadata_keys: [a]}}}",
        "retry_on_failure: {max_elapsed_time: 1s}",
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
