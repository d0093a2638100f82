import Bytes
import OTLP

extension RowWriter {
    static let seriesColumns = [
        "series_id", "metric_id", "resource_id", "scope_id", "metric_type", "temporality",
        "is_monotonic", "service_name", "metric_name", "unit", "description", "metadata",
        "explicit_bounds", "attributes", "first_seen", "last_seen",
    ]

    func write(
        seriesOf point: DataPointView, _ metric: MetricContext, _ resource: ResourceContext,
        _ scope: ScopeContext, _ bytes: RawSpan
    ) throws(SQLiteError) -> Int64 {
        let id = metric.seriesID(of: point, resource, scope, bytes)
        guard dictionary.lacks(id, now: now) else { return id }
        let metadata = json.attributes(metric.metadata, bytes)
        let bounds =
            metric.entry.kind == .histogram
            ? building { $0.list(point.explicitBounds) { $0.double($1) } } : 0..<0
        let attributes = building {
            if $0.attributes(point.attributes, bytes).isEmpty { $0.raw("{}") }
        }
        series.bind(id)
        series.bind(metric.metricID)
        series.bind(resource.id)
        series.bind(scope.id)
        series.bind(Int64(metric.entry.kind.column))
        series.bind(Int64(metric.entry.temporality))
        series.bind(metric.entry.isMonotonic ? Int64(1) : Int64(0))
        series.bind(resource.serviceName.rawSpan)
        series.bind(bytes, metric.entry.name)
        series.bindUnlessEmpty(bytes, metric.entry.unit)
        series.bindUnlessEmpty(bytes, metric.entry.description)
        bindJSON(series, metadata)
        bindJSON(series, bounds)
        bindJSON(series, attributes)
        series.bind(now)
        series.bind(now)
        try series.run()
        dictionary.add(id, now: now)
        return id
    }
}
