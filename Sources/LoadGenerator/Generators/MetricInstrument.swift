import OTLP

/// A metric that each service of the shop has.
struct MetricInstrument {
    /// The types of OTLP, sums by what they sum.
    enum Kind {
        case counter, deltaCounter, upDownCounter, gauge, histogram, exponentialHistogram, summary

        /// `oneof data` of `Metric`.
        var dataField: Int {
            switch self {
            case .gauge: 5
            case .counter, .deltaCounter, .upDownCounter: 7
            case .histogram: 9
            case .exponentialHistogram: 10
            case .summary: 11
            }
        }

        /// `aggregation_temporality = 2` (delta is 1, cumulative 2) and `is_monotonic = 3`.
        func writeTemporality(to data: inout ProtobufWriter) {
            switch self {
            case .gauge, .summary: return
            case .deltaCounter: data.varint(2, 1)
            case .counter, .upDownCounter, .histogram, .exponentialHistogram: data.varint(2, 2)
            }
            if self == .counter || self == .deltaCounter { data.bool(3, true) }
        }
    }

    let name: String
    let help: String
    let unit: String
    let kind: Kind

    static let all = [
        MetricInstrument(
            name: "shop.requests", help: "Requests served.", unit: "{request}", kind: .counter),
        MetricInstrument(
            name: "http.server.active_requests", help: "Requests in flight.", unit: "{request}",
            kind: .upDownCounter),
        MetricInstrument(
            name: "process.cpu.utilization", help: "Share of one processor.", unit: "1",
            kind: .gauge),
        MetricInstrument(
            name: "http.server.request.duration", help: "Duration of requests.", unit: "s",
            kind: .histogram),
        MetricInstrument(
            name: "db.client.operation.duration", help: "Duration of queries.", unit: "s",
            kind: .exponentialHistogram),
        MetricInstrument(
            name: "shop.render.duration", help: "Duration of rendering.", unit: "s",
            kind: .summary),
        MetricInstrument(
            name: "shop.revenue", help: "Revenue since the last report.", unit: "EUR",
            kind: .deltaCounter),
    ]
}

/// The attribute sets of every instrument's series.
enum MetricAttributes {
    static let sets: [KeyValuePairs<String, AttributeValue>] = [
        ["http.route": "/products/{id}", "http.response.status_code": 200],
        ["http.route": "/products/{id}", "http.response.status_code": 404],
        ["http.route": "/cart/items", "http.response.status_code": 200],
        ["http.route": "/orders", "http.response.status_code": 201],
        ["http.route": "/orders", "http.response.status_code": 500],
    ]
    static let setCount = sets.count
}
