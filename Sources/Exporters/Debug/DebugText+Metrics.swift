import Bytes
import OTLP

extension DebugText {
    mutating func brief(_ point: DataPointView, of metric: MetricEntry, _ span: RawSpan) {
        let attributes = Self.pairs(point.attributes, span, separator: ",")
        let values = Self.values(point).map { $0.name.isEmpty ? $0.text : "\($0.name)=\($0.text)" }
        let labels = attributes.isEmpty ? "" : "{\(attributes)}"
        line("\(Self.text(metric.name, span))\(labels) \(values.joined(separator: " "))")
    }

    mutating func detail(_ metric: MetricEntry, _ number: Int, _ span: RawSpan) {
        line("Metric #\(number)")
        line("Descriptor:")
        line("     -> Name: \(Self.text(metric.name, span))")
        line("     -> Description: \(Self.text(metric.description, span))")
        line("     -> Unit: \(Self.text(metric.unit, span))")
        line("     -> Data type: \(Self.typeName(metric.kind))")
        if metric.kind == .sum { line("     -> Is monotonic: \(metric.isMonotonic)") }
        let names = ["Unspecified", "Delta", "Cumulative"]
        if [.sum, .histogram, .exponentialHistogram].contains(metric.kind) {
            let code = Int(metric.temporality)
            let name = names.indices.contains(code) ? names[code] : "\(code)"
            line("     -> Aggregation temporality: \(name)")
        }
    }

    mutating func detail(_ point: DataPointView, _ number: Int, _ span: RawSpan) {
        line("DataPoint #\(number)")
        if point.attributeCount > 0 {
            line("Data point attributes:")
            list(point.attributes, span)
        }
        line("Start timestamp: \(Self.time(point.startTime))")
        line("Timestamp: \(Self.time(point.time))")
        if point.flags != 0 { line("Flags: \(point.flags)") }
        for value in Self.values(point) {
            line("\(value.name.isEmpty ? "Value" : value.name): \(value.text)")
        }
        guard point.exemplarCount > 0 else { return }
        line("Exemplars:")
        var exemplars = point.exemplars
        var number = 0
        while let field = exemplars.next(in: span) {
            detail(ExemplarView(field.value, in: span), number, span)
            number += 1
        }
    }

    private mutating func detail(_ exemplar: ExemplarView, _ number: Int, _ span: RawSpan) {
        line("Exemplar #\(number)")
        line("     -> Trace ID: \(exemplar.traceID.isZero ? "" : "\(exemplar.traceID)")")
        line("     -> Span ID: \(exemplar.spanID.isZero ? "" : "\(exemplar.spanID)")")
        line("     -> Timestamp: \(Self.time(exemplar.time))")
        line("     -> Value: \(Self.text(exemplar.number))")
        line("     -> Filtered attributes:")
        list(exemplar.filteredAttributes, span)
    }

    /// What was measured; a number point's one value has no name.
    private static func values(_ point: DataPointView) -> [(name: String, text: String)] {
        var values: [(name: String, text: String)] = []
        switch point.kind {
        case .none: return []
        case .gauge, .sum: return [("", text(point.number))]
        case .histogram:
            values = totals(point)
            for (index, count) in point.bucketCounts.prefix(bucketsShownMax).enumerated() {
                let bounds = point.explicitBounds
                let bound = index < bounds.count ? "\(bounds[index])" : "+Inf"
                values.append(("le\(bound)", "\(count)"))
            }
            values += more(than: point.bucketCounts.count, "buckets")
        case .exponentialHistogram:
            values = totals(point)
            values.append(("scale", "\(point.scale)"))
            values.append(("zero_count", "\(point.zeroCount)"))
            if point.zeroThreshold != 0 {
                values.append(("zero_threshold", "\(point.zeroThreshold)"))
            }
            values += buckets("positive", point.positive)
            values += buckets("negative", point.negative)
        case .summary:
            values = [("count", "\(point.count)"), ("sum", "\(point.sum ?? 0)")]
            for (quantile, value) in point.quantiles.prefix(bucketsShownMax) {
                values.append(("q\(quantile)", "\(value)"))
            }
            values += more(than: point.quantiles.count, "quantiles")
        }
        return values
    }

    private static func totals(_ point: DataPointView) -> [(name: String, text: String)] {
        [("count", "\(point.count)")]
            + [("sum", point.sum), ("min", point.min), ("max", point.max)].compactMap { pair in
                pair.1.map { (pair.0, "\($0)") }
            }
    }

    private static func buckets(
        _ name: String, _ buckets: DataPointView.Buckets
    ) -> [(name: String, text: String)] {
        buckets.counts.prefix(bucketsShownMax).enumerated().map { index, count in
            ("\(name)[\(Int(buckets.offset) + index)]", "\(count)")
        } + more(than: buckets.counts.count, "\(name) buckets")
    }

    /// Of one point, on either side: what SDKs have at most.
    private static let bucketsShownMax = 160

    private static func more(than count: Int, _ what: String) -> [(name: String, text: String)] {
        count > bucketsShownMax ? [("more \(what)", "\(count - bucketsShownMax)")] : []
    }

    private static func text(_ number: DataPointView.Number) -> String {
        switch number {
        case .none: "none"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        }
    }

    private static func typeName(_ kind: MetricKind) -> String {
        switch kind {
        case .none: "None"
        case .gauge: "Gauge"
        case .sum: "Sum"
        case .histogram: "Histogram"
        case .exponentialHistogram: "ExponentialHistogram"
        case .summary: "Summary"
        }
    }
}
