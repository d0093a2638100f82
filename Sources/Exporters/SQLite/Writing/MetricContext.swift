import Bytes
import OTLP

/// What the points of one metric have in common.
struct MetricContext {
    /// In the batch's index.
    let index: Int32
    let entry: MetricEntry
    let body: ByteRange
    /// Of name, type, unit, temporality and monotonicity: the same in every service.
    let metricID: Int64
    /// Of all that a series' row holds of the metric: description and metadata too.
    let descriptorHash: UInt64

    init(index: Int32, _ entry: MetricEntry, body: ByteRange, _ bytes: RawSpan) {
        self.index = index
        self.entry = entry
        self.body = body
        var metric = ContentHash(seed: 3)
        metric.combine(bytes, entry.name)
        metric.combine(bytes, entry.unit)
        metric.combine(
            UInt64(entry.kind.column) | UInt64(entry.temporality) << 8
                | (entry.isMonotonic ? 1 << 16 : 0))
        metricID = Int64(bitPattern: metric.value)
        var descriptor = ContentHash(seed: metric.value)
        descriptor.combine(bytes, entry.description)
        descriptor.combine(bytes, attributes: body, field: Self.metadataField)
        descriptorHash = descriptor.value
    }

    var metadata: AttributeReader { AttributeReader(body, field: Self.metadataField) }

    /// `repeated KeyValue metadata = 12` of `Metric`.
    private static let metadataField = 12
}

extension MetricKind {
    /// The value of `metric_type`.
    var column: Int64 {
        switch self {
        case .none: 0
        case .gauge: 1
        case .sum: 2
        case .histogram: 3
        case .exponentialHistogram: 4
        case .summary: 5
        }
    }
}
