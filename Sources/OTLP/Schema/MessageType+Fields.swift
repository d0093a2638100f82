// The fields of every message, from opentelemetry-proto as the PyPI package 1.45 has it.
// Tests/differential/otlp_json.py fills every field of its descriptors and compares.

extension MessageType {
    var fields: [FieldDeclaration] {
        switch self {
        case .exportTraceServiceRequest:
            [.message(1, "resourceSpans", .resourceSpans, .repeated)]
        case .exportMetricsServiceRequest:
            [.message(1, "resourceMetrics", .resourceMetrics, .repeated)]
        case .exportLogsServiceRequest:
            [.message(1, "resourceLogs", .resourceLogs, .repeated)]
        case .exportTraceServiceResponse, .exportMetricsServiceResponse,
            .exportLogsServiceResponse, .tracePartialSuccess, .metricsPartialSuccess,
            .logsPartialSuccess:
            responseFields
        case .resource, .instrumentationScope, .keyValue, .anyValue, .arrayValue, .keyValueList,
            .entityRef:
            commonFields
        case .resourceSpans, .scopeSpans, .span, .event, .link, .status:
            traceFields
        case .resourceMetrics, .scopeMetrics, .metric, .gauge, .sum, .histogram,
            .exponentialHistogram, .summary:
            metricFields
        case .numberDataPoint, .histogramDataPoint, .exponentialHistogramDataPoint, .buckets,
            .summaryDataPoint, .valueAtQuantile, .exemplar:
            dataPointFields
        case .resourceLogs, .scopeLogs, .logRecord:
            logFields
        }
    }

    /// How many bytes the length of such a message usually takes, before anything was seen.
    var usualLengthBytes: UInt8 {
        switch self {
        case .resourceSpans, .scopeSpans, .resourceMetrics, .scopeMetrics, .resourceLogs,
            .scopeLogs:
            3
        case .resource, .span, .logRecord, .metric, .gauge, .sum, .histogram,
            .exponentialHistogram, .summary, .numberDataPoint, .histogramDataPoint,
            .exponentialHistogramDataPoint, .summaryDataPoint:
            2
        default: 1
        }
    }

    /// collector/{trace,metrics,logs}/v1
    private var responseFields: [FieldDeclaration] {
        switch self {
        case .exportTraceServiceResponse: [.message(1, "partialSuccess", .tracePartialSuccess)]
        case .exportMetricsServiceResponse: [.message(1, "partialSuccess", .metricsPartialSuccess)]
        case .exportLogsServiceResponse: [.message(1, "partialSuccess", .logsPartialSuccess)]
        case .tracePartialSuccess:
            [.field(1, "rejectedSpans", .int64), .field(2, "errorMessage", .string)]
        case .metricsPartialSuccess:
            [.field(1, "rejectedDataPoints", .int64), .field(2, "errorMessage", .string)]
        case .logsPartialSuccess:
            [.field(1, "rejectedLogRecords", .int64), .field(2, "errorMessage", .string)]
        default: preconditionFailure("BUG: \(self) is not in the collector's .proto files")
        }
    }

    /// common/v1/common.proto and resource/v1/resource.proto
    private var commonFields: [FieldDeclaration] {
        switch self {
        case .resource:
            [
                .message(1, "attributes", .keyValue, .repeated),
                .field(2, "droppedAttributesCount", .uint32),
                .message(3, "entityRefs", .entityRef, .repeated),
            ]
        case .instrumentationScope:
            [
                .field(1, "name", .string),
                .field(2, "version", .string),
                .message(3, "attributes", .keyValue, .repeated),
                .field(4, "droppedAttributesCount", .uint32),
            ]
        case .keyValue:
            [
                .field(1, "key", .string),
                .message(2, "value", .anyValue),
                .field(3, "keyStrindex", .int32),
            ]
        case .anyValue:
            [
                .field(1, "stringValue", .string, .oneof),
                .field(2, "boolValue", .bool, .oneof),
                .field(3, "intValue", .int64, .oneof),
                .field(4, "doubleValue", .double, .oneof),
                .message(5, "arrayValue", .arrayValue, .oneof),
                .message(6, "kvlistValue", .keyValueList, .oneof),
                .field(7, "bytesValue", .bytes, .oneof),
                .field(8, "stringValueStrindex", .int32, .oneof),
            ]
        case .arrayValue: [.message(1, "values", .anyValue, .repeated)]
        case .keyValueList: [.message(1, "values", .keyValue, .repeated)]
        case .entityRef:
            [
                .field(1, "schemaUrl", .string),
                .field(2, "type", .string),
                .field(3, "idKeys", .string, .repeated),
                .field(4, "descriptionKeys", .string, .repeated),
            ]
        default: preconditionFailure("BUG: \(self) is not in common.proto")
        }
    }

    /// trace/v1/trace.proto
    private var traceFields: [FieldDeclaration] {
        switch self {
        case .resourceSpans:
            [
                .message(1, "resource", .resource),
                .message(2, "scopeSpans", .scopeSpans, .repeated),
                .field(3, "schemaUrl", .string),
            ]
        case .scopeSpans:
            [
                .message(1, "scope", .instrumentationScope),
                .message(2, "spans", .span, .repeated),
                .field(3, "schemaUrl", .string),
            ]
        case .span:
            [
                .field(1, "traceId", .id),
                .field(2, "spanId", .id),
                .field(3, "traceState", .string),
                .field(4, "parentSpanId", .id),
                .field(5, "name", .string),
                .enumeration(6, "kind", .spanKind),
                .field(7, "startTimeUnixNano", .fixed64),
                .field(8, "endTimeUnixNano", .fixed64),
                .message(9, "attributes", .keyValue, .repeated),
                .field(10, "droppedAttributesCount", .uint32),
                .message(11, "events", .event, .repeated),
                .field(12, "droppedEventsCount", .uint32),
                .message(13, "links", .link, .repeated),
                .field(14, "droppedLinksCount", .uint32),
                .message(15, "status", .status),
                .field(16, "flags", .fixed32),
            ]
        case .event:
            [
                .field(1, "timeUnixNano", .fixed64),
                .field(2, "name", .string),
                .message(3, "attributes", .keyValue, .repeated),
                .field(4, "droppedAttributesCount", .uint32),
            ]
        case .link:
            [
                .field(1, "traceId", .id),
                .field(2, "spanId", .id),
                .field(3, "traceState", .string),
                .message(4, "attributes", .keyValue, .repeated),
                .field(5, "droppedAttributesCount", .uint32),
                .field(6, "flags", .fixed32),
            ]
        case .status:
            [.field(2, "message", .string), .enumeration(3, "code", .statusCode)]
        default: preconditionFailure("BUG: \(self) is not in trace.proto")
        }
    }

    /// logs/v1/logs.proto
    private var logFields: [FieldDeclaration] {
        switch self {
        case .resourceLogs:
            [
                .message(1, "resource", .resource),
                .message(2, "scopeLogs", .scopeLogs, .repeated),
                .field(3, "schemaUrl", .string),
            ]
        case .scopeLogs:
            [
                .message(1, "scope", .instrumentationScope),
                .message(2, "logRecords", .logRecord, .repeated),
                .field(3, "schemaUrl", .string),
            ]
        case .logRecord:
            [
                .field(1, "timeUnixNano", .fixed64),
                .enumeration(2, "severityNumber", .severityNumber),
                .field(3, "severityText", .string),
                .message(5, "body", .anyValue),
                .message(6, "attributes", .keyValue, .repeated),
                .field(7, "droppedAttributesCount", .uint32),
                .field(8, "flags", .fixed32),
                .field(9, "traceId", .id),
                .field(10, "spanId", .id),
                .field(11, "observedTimeUnixNano", .fixed64),
                .field(12, "eventName", .string),
            ]
        default: preconditionFailure("BUG: \(self) is not in logs.proto")
        }
    }
}
