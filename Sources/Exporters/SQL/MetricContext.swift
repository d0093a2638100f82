import Bytes
import OTLP

/// What the points of one metric have in common.
struct MetricContext {
    /// In the batch's index.
    let position: Int32
    let entry: MetricEntry
    let body: ByteRange
    /// Of name, type, unit, temporality and monotonicity: the same in every service.
    let metricID: Int64
    /// Of all that a series' row holds of the metric: description and metadata too.
    let descriptorHash: UInt64
    private let key: HashKey

    init(at position: Int32, in index: TelemetryIndex, _ bytes: RawSpan, _ key: HashKey) {
        self.position = position
        self.key = key
        entry = index.metrics[Int(position)]
        body = index.messageBody(entry.frame)
        var metric = ContentHash(seed: 3, key)
        metric.combine(bytes, entry.name)
        metric.combine(bytes, entry.unit)
        metric.combine(
            UInt64(entry.kind.column) | UInt64(entry.temporality) << 8
                | (entry.isMonotonic ? 1 << 16 : 0))
        metricID = Int64(bitPattern: metric.value)
        var descriptor = ContentHash(seed: metric.value, key)
        descriptor.combine(bytes, entry.description)
        descriptor.combine(bytes, attributes: body, field: Self.metadataField)
        descriptorHash = descriptor.value
    }

    var metadata: AttributeReader { AttributeReader(body, field: Self.metadataField) }

    /// A series is a resource, a scope, a metric with all that describes it, the point's attributes
    /// and, for histograms, the bounds of the buckets.
    func seriesID(
        of point: DataPointView, _ resource: ResourceContext, _ scope: ScopeContext,
        _ bytes: RawSpan
    ) -> Int64 {
        seriesID(
            attributes: ContentHash.sum(
                bytes, attributes: point.body, field: entry.kind.pointAttributesField, key),
            point.explicitBounds, resource, scope)
    }

    /// - Parameter attributes: the sum of the attributes' hashes.
    func seriesID(
        attributes: UInt64, _ explicitBounds: [Double], _ resource: ResourceContext,
        _ scope: ScopeContext
    ) -> Int64 {
        var hash = ContentHash(seed: 4, key)
        hash.combine(UInt64(bitPattern: resource.id))
        hash.combine(UInt64(bitPattern: scope.id))
        hash.combine(descriptorHash)
        hash.combine(attributes)
        for bound in explicitBounds { hash.combine(bound.bitPattern) }
        return Int64(bitPattern: hash.value)
    }

    /// `repeated KeyValue metadata = 12` of `Metric`.
    private static let metadataField = 12
}

extension MetricKind {
    /// The value of `metric_type`.
    var column: Int16 {
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
