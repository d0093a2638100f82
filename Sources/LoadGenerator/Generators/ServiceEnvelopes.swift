import OTLP

/// Gathers encoded items by service, and puts the services' resources and scopes around them.
///
/// The three signals have one shape, and the same field numbers (`X` is Spans, Metrics, Logs):
///
///     message ExportXServiceRequest { repeated ResourceX resource_x = 1; }
///     message ResourceX {
///       Resource resource = 1; repeated ScopeX scope_x = 2; string schema_url = 3;
///     }
///     message ScopeX { InstrumentationScope scope = 1; repeated X x = 2; }
struct ServiceEnvelopes {
    private static let schemaURL = "https://opentelemetry.io/schemas/1.37.0"

    private let services: [ShopService]
    private var items: [ProtobufWriter]
    private var requestBytes = 0

    init(services: [ShopService]) {
        self.services = services
        items = services.map { _ in ProtobufWriter() }
    }

    /// The items of a service, to add to; to be put back. Meanwhile it has none, so that there is
    /// one owner and nothing is copied.
    mutating func take(_ service: Int) -> ProtobufWriter {
        var taken = ProtobufWriter()
        swap(&taken, &items[service])
        return taken
    }

    mutating func put(_ writer: consuming ProtobufWriter, _ service: Int) {
        items[service] = writer
    }

    /// The request with all that was gathered; afterwards there is nothing.
    mutating func request() -> [UInt8] {
        // Requests of one run are much alike: the last one's size is the best guess.
        var request = ProtobufWriter(reserving: requestBytes + requestBytes / 8 + 1_024)
        for service in services.indices where !items[service].bytes.isEmpty {
            request.message(1) { resource in
                resource.raw(services[service].resource)
                resource.message(2) { scope in
                    scope.raw(services[service].scope)
                    scope.raw(items[service].bytes)
                }
                resource.string(3, Self.schemaURL)
            }
            items[service].removeAll()
        }
        requestBytes = request.bytes.count
        return request.bytes
    }
}
