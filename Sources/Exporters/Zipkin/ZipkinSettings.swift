import Compression
import Configuration
import HTTPClient
import Pipeline

/// The keys of `zipkin`.
public struct ZipkinSettings: Sendable {
    enum Format: String, Sendable, CaseIterable { case json, proto }

    var url: HTTPURL?
    /// For spans whose resource names no service.
    var defaultServiceName = "<missing service name>"
    var http: HTTPDeliverySettings
    var delivery: DeliverySettings

    init(_ reader: inout MappingReader) {
        if reader.isGiven("endpoint") {
            url = reader.httpURL("endpoint")
        } else {
            reader.miss(
                "endpoint", "is required, for example http://zipkin:9411/api/v2/spans")
        }
        if reader.oneOf("format", default: Format.json) == .proto {
            reader.error(at: "format", "proto is not built: Zipkin reads 'json' just as well")
        }
        defaultServiceName = reader.string("default_service_name", default: defaultServiceName)
        http = HTTPDeliverySettings(&reader, timeout: .seconds(5), compression: .identity)
        var standard = DeliverySettings()
        standard.lots = .whatIsThereForJSON
        delivery = DeliverySettings(&reader, standard: standard)
    }
}
