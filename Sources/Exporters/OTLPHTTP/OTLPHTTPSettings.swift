import Compression
import Configuration
import HTTPClient
import OTLP
import Pipeline

/// The keys of `otlp_http`.
public struct OTLPHTTPSettings: Sendable {
    enum Encoding: String, Sendable, CaseIterable {
        case proto, json

        var contentType: String {
            self == .proto ? "application/x-protobuf" : "application/json"
        }
    }

    /// Where each signal goes. A signal that has no URL cannot be delivered.
    var urls: [Signal: HTTPURL] = [:]
    /// Signals whose URL was given, and reported: that is said once.
    var faultySignals: Set<Signal> = []
    var encoding = Encoding.proto
    var http: HTTPDeliverySettings
    var delivery: DeliverySettings

    init(_ reader: inout MappingReader) {
        let base = reader.httpURL("endpoint")
        let hasBase = reader.isGiven("endpoint")
        for signal in Signal.allCases {
            let key = "\(signal.name)_endpoint"
            let own = reader.httpURL(key)
            let isOwn = reader.isGiven(key)
            urls[signal] = isOwn ? own : base?.appending(path: signal.otlpPath)
            if urls[signal] == nil, isOwn || hasBase { faultySignals.insert(signal) }
        }
        if urls.isEmpty, faultySignals.isEmpty {
            reader.miss(nil, "is without an endpoint: set 'endpoint', or one for each signal")
            faultySignals = Set(Signal.allCases)
        }
        reader.ignored("profiles_endpoint", because: "there are no pipelines of profiles")
        encoding = reader.oneOf("encoding", default: encoding)
        http = HTTPDeliverySettings(&reader, timeout: .seconds(30), compression: .gzip)
        var standard = DeliverySettings()
        if encoding == .json { standard.lots = .whatIsThereForJSON }
        delivery = DeliverySettings(&reader, standard: standard)
        // The pool keeps a connection for each consumer, unless it was told otherwise.
        if !reader.contains("max_idle_conns"), !reader.contains("max_idle_conns_per_host"),
            http.client.idleConnectionsMax > 0
        {
            http.client.idleConnectionsMax = delivery.consumerCount
        }
    }
}

extension Signal {
    /// The path that OTLP/HTTP gives a signal.
    var otlpPath: String { "/v1/\(name)" }
}
