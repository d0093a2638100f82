public import Compression
public import Configuration
public import OTLP
public import Platform

/// `receivers.otlp`. The keys are the Collector's; README.md has them all.
public struct OTLPReceiverSettings: Sendable, Equatable {
    public struct CORS: Sendable, Equatable {
        /// May hold `*` for any run of characters.
        public var allowedOrigins: [String] = []
        public var allowedHeaders: [String] = []
        public var exposedHeaders: [String] = []
        /// Seconds that a browser may remember a preflight; 0 sends none.
        public var maxAge = 0
    }

    public var endpoint = Endpoint(.host("localhost", port: 4318))
    /// Before and after decompression, in bytes.
    public var bodyBytesMax = Self.bodyBytesMaxStandard
    public var paths: [Signal: String] = [
        .traces: "/v1/traces", .metrics: "/v1/metrics", .logs: "/v1/logs",
    ]
    public var includesMetadata = false
    public var responseHeaders: [(name: String, value: Secret)] = []
    public var encodings: Set<ContentEncoding> = Set(ContentEncoding.allCases)
    public var readTimeout = Duration.zero
    public var readHeaderTimeout = Duration.seconds(60)
    public var writeTimeout = Duration.seconds(30)
    public var idleTimeout = Duration.seconds(60)
    public var keepsAlive = true
    public var cors: CORS?

    /// What the OTLP specification recommends; the Collector's default is 20 MiB.
    public static let bodyBytesMaxStandard = 64 << 20
    /// The index counts offsets in 32 bits, and edits need room to grow.
    public static let bodyBytesCeiling = 512 << 20

    public init() {}

    public init(_ reader: inout MappingReader) {
        var settings = OTLPReceiverSettings()
        let protocols: Bool? = reader.mapping("protocols") { protocols in
            // A key alone turns gRPC on, as it does HTTP.
            let hasGRPC = protocols.contains("grpc")
            if protocols.mapping("grpc", canBeDisabled: true, read: { $0.skipRest() }) != nil {
                protocols.error(
                    atKey: "grpc",
                    "OTLP/gRPC is not built yet; use 'http' (port 4318) and OTLP/HTTP clients")
            }
            let hasHTTP = protocols.mapping("http", canBeDisabled: true) { http in
                settings.readHTTP(&http)
                return true
            }
            if hasHTTP == nil, !hasGRPC { protocols.error("nothing to listen on; add 'http:'") }
            return hasHTTP ?? false
        }
        if protocols == nil { reader.error("expected 'protocols'; add 'protocols: {http: {}}'") }
        self = settings
    }

    private mutating func readHTTP(_ reader: inout MappingReader) {
        readAddress(&reader)
        bodyBytesMax = reader.bytes(
            "max_request_body_size", default: bodyBytesMax, in: 0...Self.bodyBytesCeiling)
        if bodyBytesMax == 0 { bodyBytesMax = Self.bodyBytesMaxStandard }
        for signal in Signal.allCases { readPath(of: signal, &reader) }
        includesMetadata = reader.bool("include_metadata", default: includesMetadata)
        responseHeaders = reader.secretMap("response_headers")
        readEncodings(&reader)
        readTimeout = reader.duration("read_timeout", default: readTimeout)
        readHeaderTimeout = reader.duration("read_header_timeout", default: readHeaderTimeout)
        writeTimeout = reader.duration("write_timeout", default: writeTimeout)
        idleTimeout = reader.duration("idle_timeout", default: idleTimeout)
        keepsAlive = reader.bool("keep_alives_enabled", default: keepsAlive)
        cors =
            reader.mapping("cors", null: .absent, canBeDisabled: true) { Self.readCORS(&$0) } ?? nil
        reader.unsupported(
            "tls", "TLS is not built yet; end TLS in a proxy before Sluice, and listen on localhost"
        )
        reader.unsupported(
            "auth", "authentication is not built yet; put an authenticating proxy before Sluice")
        reader.unsupported("middlewares", "middlewares are not built")
    }

    private mutating func readAddress(_ reader: inout MappingReader) {
        let transport = reader.string("transport", default: "tcp")
        if let text = reader.string("endpoint") {
            do throws(EndpointError) {
                endpoint = try Endpoint(
                    parsing: transport == "unix" && !text.hasPrefix("unix:")
                        ? "unix://\(text)" : text)
            } catch {
                reader.error(at: "endpoint", error.description)
            }
        }
        if !["tcp", "tcp4", "tcp6", "unix"].contains(transport) {
            reader.error(at: "transport", "expected tcp or unix, found '\(transport)'")
        }
    }

    private mutating func readPath(of signal: Signal, _ reader: inout MappingReader) {
        let key = "\(signal.name)_url_path"
        guard let path = reader.string(key), !path.isEmpty else { return }
        guard !path.contains(where: { "?# ".contains($0) }), !path.hasPrefix(":") else {
            reader.error(at: key, "expected a path such as /v1/\(signal.name), and no query")
            return
        }
        // As the Collector: a path without its slash gets one.
        let whole = path.hasPrefix("/") ? path : "/\(path)"
        if paths.contains(where: { $0.key != signal && $0.value == whole }) {
            reader.error(at: key, "'\(whole)' is another signal's path already")
        }
        paths[signal] = whole
    }

    private mutating func readEncodings(_ reader: inout MappingReader) {
        guard let names = reader.strings("compression_algorithms") else { return }
        encodings = [.identity]
        for name in names {
            if let encoding = ContentEncoding(name) {
                encodings.insert(encoding)
            } else {
                reader.warning(
                    at: "compression_algorithms",
                    "'\(name)' is not supported and left out; \(ContentEncoding.supportedNames) are"
                )
            }
        }
    }

    /// Nil where no origin is allowed: then there are no cross-origin requests, as in the
    /// Collector.
    private static func readCORS(_ reader: inout MappingReader) -> CORS? {
        var cors = CORS()
        cors.allowedOrigins = reader.strings("allowed_origins", default: [])
        cors.allowedHeaders = reader.strings("allowed_headers", default: [])
        cors.exposedHeaders = reader.strings("exposed_headers", default: [])
        cors.maxAge = reader.int("max_age", default: 0, in: 0...86_400)
        guard cors.allowedOrigins.isEmpty else { return cors }
        let others = ["allowed_headers", "exposed_headers", "max_age"].filter(reader.contains)
        if let first = others.first {
            reader.warning(
                at: first, "does nothing without 'allowed_origins': name the origins of the pages")
        }
        return nil
    }

    public static func == (one: OTLPReceiverSettings, other: OTLPReceiverSettings) -> Bool {
        one.endpoint == other.endpoint && one.bodyBytesMax == other.bodyBytesMax
            && one.paths == other.paths && one.includesMetadata == other.includesMetadata
            && one.responseHeaders.elementsEqual(other.responseHeaders, by: ==)
            && one.encodings == other.encodings && one.readTimeout == other.readTimeout
            && one.readHeaderTimeout == other.readHeaderTimeout
            && one.writeTimeout == other.writeTimeout && one.idleTimeout == other.idleTimeout
            && one.keepsAlive == other.keepsAlive && one.cors == other.cors
    }
}
