// metrics/v1/metrics.proto

extension MessageType {
    var metricFields: [FieldDeclaration] {
        switch self {
        case .resourceMetrics:
            [
                .message(1, "resource", .resource),
                .message(2, "scopeMetrics", .scopeMetrics, .repeated),
                .field(3, "schemaUrl", .string),
            ]
        case .scopeMetrics:
            [
                .message(1, "scope", .instrumentationScope),
                .message(2, "metrics", .metric, .repeated),
                .field(3, "schemaUrl", .string),
            ]
        case .metric:
            [
                .field(1, "name", .string),
                .field(2, "description", .string),
                .field(3, "unit", .string),
                .message(5, "gauge", .gauge, .oneof),
                .message(7, "sum", .sum, .oneof),
                .message(9, "histogram", .histogram, .oneof),
                .message(10, "exponentialHistogram", .exponentialHistogram, .oneof),
                .message(11, "summary", .summary, .oneof),
                .message(12, "metadata", .keyValue, .repeated),
            ]
        case .gauge: [.message(1, "dataPoints", .numberDataPoint, .repeated)]
        case .sum:
            [
                .message(1, "dataPoints", .numberDataPoint, .repeated),
                .enumeration(2, "aggregationTemporality", .aggregationTemporality),
                .field(3, "isMonotonic", .bool),
            ]
        case .histogram:
            [
                .message(1, "dataPoints", .histogramDataPoint, .repeated),
                .enumeration(2, "aggregationTemporality", .aggregationTemporality),
            ]
        case .exponentialHistogram:
            [
                .message(1, "dataPoints", .exponentialHistogramDataPoint, .repeated),
                .enumeration(2, "aggregationTemporality", .aggregationTemporality),
            ]
        case .summary: [.message(1, "dataPoints", .summaryDataPoint, .repeated)]
        default: preconditionFailure("BUG: \(self) is not in metrics.proto")
        }
    }

    var dataPointFields: [FieldDeclaration] {
        switch self {
        case .numberDataPoint:
            [
                .field(2, "startTimeUnixNano", .fixed64),
                .field(3, "timeUnixNano", .fixed64),
                .field(4, "asDouble", .double, .oneof),
                .message(5, "exemplars", .exemplar, .repeated),
                .field(6, "asInt", .sfixed64, .oneof),
                .message(7, "attributes", .keyValue, .repeated),
                .field(8, "flags", .uint32),
            ]
        case .histogramDataPoint:
            [
                .field(2, "startTimeUnixNano", .fixed64),
                .field(3, "timeUnixNano", .fixed64),
                .field(4, "count", .fixed64),
                .field(5, "sum", .double, .optional),
                .field(6, "bucketCounts", .fixed64, .repeated),
                .field(7, "explicitBounds", .double, .repeated),
                .message(8, "exemplars", .exemplar, .repeated),
                .message(9, "attributes", .keyValue, .repeated),
                .field(10, "flags", .uint32),
                .field(11, "min", .double, .optional),
                .field(12, "max", .double, .optional),
            ]
        case .exponentialHistogramDataPoint:
            [
                .message(1, "attributes", .keyValue, .repeated),
                .field(2, "startTimeUnixNano", .fixed64),
                .field(3, "timeUnixNano", .fixed64),
                .field(4, "count", .fixed64),
                .field(5, "sum", .double, .optional),
                .field(6, "scale", .sint32),
                .field(7, "zeroCount", .fixed64),
                .message(8, "positive", .buckets),
                .message(9, "negative", .buckets),
                .field(10, "flags", .uint32),
                .message(11, "exemplars", .exemplar, .repeated),
                .field(12, "min", .double, .optional),
                .field(13, "max", .double, .optional),
                .field(14, "zeroThreshold", .double),
            ]
        case .buckets:
            [
                .field(1, "offset", .sint32),
                .field(2, "bucketCounts", .uint64, .repeated),
            ]
        case .summaryDataPoint:
            [
                .field(2, "startTimeUnixNano", .fixed64),
                .field(3, "timeUnixNano", .fixed64),
                .field(4, "count", .fixed64),
                .field(5, "sum", .double),
                .message(6, "quantileValues", .valueAtQuantile, .repeated),
                .message(7, "attributes", .keyValue, .repeated),
                .field(8, "flags", .uint32),
            ]
        case .valueAtQuantile:
            [.field(1, "quantile", .double), .field(2, "value", .double)]
        case .exemplar:
            [
                .field(2, "timeUnixNano", .fixed64),
                .field(3, "asDouble", .double, .oneof),
                .field(4, "spanId", .id),
                .field(5, "traceId", .id),
                .field(6, "asInt", .sfixed64, .oneof),
                .message(7, "filteredAttributes", .keyValue, .repeated),
            ]
        default: preconditionFailure("BUG: \(self) is not a data point of metrics.proto")
        }
    }
}
