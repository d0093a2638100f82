import Compression
import Configuration
import HTTP
import HTTPClient

/// The keys that every exporter over HTTP shares: the Collector's `confighttp` client.
/// `endpoint` is the exporter's own.
struct HTTPDeliverySettings: Sendable {
    /// For one request, from connecting to the last byte of the response.
    var timeout: Duration
    var headers: [(name: String, value: Secret)] = []
    var compression: ContentEncoding
    /// `nil` for the encoding's own default.
    var compressionLevel: Int?
    var client = HTTPClientSettings()

    /// The longest `timeout`: a consumer's thread waits so long at most.
    static let timeoutMax = Duration.seconds(3600)
    static let idleConnectionsMax = 1024

    init(
        _ reader: inout MappingReader, timeout: Duration, compression: ContentEncoding
    ) {
        self.timeout = Self.readTimeout(&reader, default: timeout)
        self.compression = compression
        readHeaders(&reader)
        readCompression(&reader)
        readConnections(&reader)
        readTLS(&reader)
        reader.unsupported(
            "auth",
            "is not built yet: put the credentials into headers, such as"
                + " 'Authorization: Bearer ${env:TOKEN}'")
        reader.unsupported("middlewares", "is not built: there are no HTTP middlewares here")
        reader.ignored("proxy_url", because: "there are no proxies here: requests go straight out")
        reader.ignored(
            "read_buffer_size", "write_buffer_size",
            because: "a request is written in one call, and its answer is short")
        reader.ignored(
            "http2_read_idle_timeout", "http2_ping_timeout", "force_attempt_http2",
            because: "requests are HTTP/1.1")
        if reader.mapping("cookies", null: .absent, canBeDisabled: true, read: { _ in true }) != nil
        {
            reader.warning(at: "cookies", "is ignored: cookies are neither kept nor sent")
        }
    }

    /// 0 is no timeout in the Collector. A consumer that waits for ever cannot be told from one
    /// that hangs, so that the longest one stands for it.
    private static func readTimeout(
        _ reader: inout MappingReader, default standard: Duration
    ) -> Duration {
        guard let timeout = reader.duration("timeout") else { return standard }
        if timeout > .zero, timeout < .milliseconds(1) {
            reader.error(at: "timeout", "must be at least 1ms, or 0 for the longest there is")
        }
        if timeout == .zero || timeout > timeoutMax {
            reader.warning(
                at: "timeout", "is taken for \(GoDuration.format(timeoutMax)), the longest there is"
            )
            return timeoutMax
        }
        return max(timeout, .milliseconds(1))
    }

    private mutating func readHeaders(_ reader: inout MappingReader) {
        headers = reader.secretMap("headers")
        let fields = headers.map { HTTPField(name: $0.name, value: $0.value.reveal()) }
        if let problem = HTTPClient.problem(in: HTTPHeaders(fields)) {
            reader.error(at: "headers", problem)
        }
        for name in ["Content-Type", "Content-Encoding"]
        where headers.contains(where: { HTTPHeaders.isSame($0.name, name) }) {
            reader.error(at: "headers", "the header \(name) follows from the other settings")
        }
    }

    private mutating func readCompression(_ reader: inout MappingReader) {
        if let name = reader.string("compression") {
            // Lower case alone, as in the Collector; none has two names there.
            let encoding = ["", "none"].contains(name) ? .identity : ContentEncoding(name)
            if let encoding, ["", "none", encoding.name].contains(name), name != "identity" {
                compression = encoding
            } else {
                reader.error(
                    at: "compression",
                    "expected one of \(ContentEncoding.supportedNames), none; found "
                        + (reader.node("compression")?.summary ?? ""))
            }
        }
        _ = reader.mapping("compression_params") { parameters in
            // -1 is Go's name for a default level, 0 is what a key that is left out holds there.
            guard let level = parameters.int("level", in: -2...22), level > 0 else { return }
            let levels = Compressor.levels(of: compression)
            compressionLevel = min(max(level, levels.lowerBound), levels.upperBound)
            if compressionLevel != level {
                parameters.warning(
                    at: "level", "is taken for \(levels.upperBound), the highest that pays")
            }
        }
    }

    private mutating func readConnections(_ reader: inout MappingReader) {
        let total = reader.int("max_idle_conns", in: 0...Int.max)
        let perHost = reader.int("max_idle_conns_per_host", in: 0...Int.max)
        // 0 means "no limit" in the Collector. There is one host here, and no more connections
        // than consumers.
        if let limit = [total, perHost].compactMap({ $0 }).filter({ $0 > 0 }).min() {
            client.idleConnectionsMax = min(limit, Self.idleConnectionsMax)
        }
        reader.ignored(
            "max_conns_per_host", because: "there is a connection a consumer: see num_consumers")
        client.idleTimeout = reader.duration("idle_conn_timeout", default: client.idleTimeout)
        if reader.bool("disable_keep_alives", default: false) { client.idleConnectionsMax = 0 }
    }

    private func readTLS(_ reader: inout MappingReader) {
        _ = reader.mapping("tls") { tls in
            // What people write beside an http:// endpoint, and then true here.
            _ = tls.bool("insecure")
            for key in tls.keys where key != "insecure" {
                tls.unsupported(
                    key,
                    "TLS is not built yet: remove it and use http://, through a local proxy"
                        + " that speaks TLS if need be")
            }
        }
    }
}

extension MappingReader {
    /// An `http` URL, or a Unix socket's; `nil` when the key is absent or its value was reported.
    mutating func httpURL(_ key: String) -> HTTPURL? {
        guard let text = string(key) else { return nil }
        do throws(HTTPURLError) {
            return try HTTPURL(parsing: text)
        } catch {
            self.error(at: key, error.description)
            return nil
        }
    }
}
