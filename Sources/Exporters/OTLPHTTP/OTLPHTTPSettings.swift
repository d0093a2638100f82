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
    var encoding = Encoding.proto
    var http: HTTPDeliverySettings
    var delivery: DeliverySettings

    init(_ reader: inout MappingReader) {
        let base = reader.httpURL("endpoint")
        for signal in Signal.allCases {
            let own = reader.httpURL("\(signal.name)_endpoint")
            urls[signal] = own ?? base?.appending(path: signal.otlpPath)
        }
        let names = ["endpoint"] + Signal.allCases.map { "\($0.name)_endpoint" }
        if !names.contains(where: reader.contains) {
            reader.error("is without an endpoint: set 'endpoint', or one for each signal")
        }
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
