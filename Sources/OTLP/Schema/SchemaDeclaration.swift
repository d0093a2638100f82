/// The messages of OTLP, in the order of the tables in `Schema`.
enum MessageType: UInt8, CaseIterable {
    case exportTraceServiceRequest, exportMetricsServiceRequest, exportLogsServiceRequest
    case exportTraceServiceResponse, exportMetricsServiceResponse, exportLogsServiceResponse
    case tracePartialSuccess, metricsPartialSuccess, logsPartialSuccess
    case resource, instrumentationScope, keyValue, anyValue, arrayValue, keyValueList, entityRef
    case resourceSpans, scopeSpans, span, event, link, status
    case resourceMetrics, scopeMetrics, metric, gauge, sum, histogram, exponentialHistogram, summary
    case numberDataPoint, histogramDataPoint, exponentialHistogramDataPoint, buckets
    case summaryDataPoint, valueAtQuantile, exemplar
    case resourceLogs, scopeLogs, logRecord
}

/// An enum of OTLP: what JSON may call its values by name.
enum EnumType: UInt8, CaseIterable {
    case spanKind, statusCode, aggregationTemporality, severityNumber
}

/// What a field holds: how it is encoded in protobuf and how it is written in JSON.
enum FieldKind: UInt8 {
    case string
    /// `bytes` that JSON writes in base64.
    case bytes
    /// `bytes` that OTLP's JSON writes as hexadecimal digits: trace and span ids.
    case id
    case bool
    case int32, int64, uint32, uint64, sint32
    case fixed32, fixed64, sfixed64
    case double
    case enumeration
    case message

    var wireType: WireType {
        switch self {
        case .string, .bytes, .id, .message: .bytes
        case .bool, .int32, .int64, .uint32, .uint64, .sint32, .enumeration: .varint
        case .fixed32: .fixed32
        case .fixed64, .sfixed64, .double: .fixed64
        }
    }

    var isPackable: Bool { wireType != .bytes }
}

/// How often a field occurs, and what its absence means.
enum FieldRule: UInt8 {
    /// At most once; a zero or empty value is the same as absence, and is not encoded.
    case singular
    /// At most once; a zero is a value (`optional` in the .proto).
    case optional
    /// At most one of the message's `oneof` fields is set; a zero is a value.
    case oneof
    /// Any number of times; numbers are packed.
    case repeated
}

/// A field as the tables below declare it: one source for both directions.
struct FieldDeclaration {
    let number: UInt8
    let name: StaticString
    let kind: FieldKind
    let rule: FieldRule
    var message: MessageType = .resource
    var enumeration: EnumType = .spanKind

    static func field(
        _ number: UInt8, _ name: StaticString, _ kind: FieldKind, _ rule: FieldRule = .singular
    ) -> Self {
        precondition(kind != .message && kind != .enumeration, "BUG: a type is missing")
        return FieldDeclaration(number: number, name: name, kind: kind, rule: rule)
    }

    static func message(
        _ number: UInt8, _ name: StaticString, _ type: MessageType, _ rule: FieldRule = .singular
    ) -> Self {
        FieldDeclaration(number: number, name: name, kind: .message, rule: rule, message: type)
    }

    static func enumeration(_ number: UInt8, _ name: StaticString, _ type: EnumType) -> Self {
        FieldDeclaration(
            number: number, name: name, kind: .enumeration, rule: .singular, enumeration: type)
    }
}

extension EnumType {
    /// The names of the values, which are numbered from 0.
    var names: [StaticString] {
        switch self {
        case .spanKind:
            [
                "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
            ]
        case .statusCode:
            ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]
        case .aggregationTemporality:
            [
                "AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA",
                "AGGREGATION_TEMPORALITY_CUMULATIVE",
            ]
        case .severityNumber:
            [
                "SEVERITY_NUMBER_UNSPECIFIED",
                "SEVERITY_NUMBER_TRACE", "SEVERITY_NUMBER_TRACE2", "SEVERITY_NUMBER_TRACE3",
                "SEVERITY_NUMBER_TRACE4",
                "SEVERITY_NUMBER_DEBUG", "SEVERITY_NUMBER_DEBUG2", "SEVERITY_NUMBER_DEBUG3",
                "SEVERITY_NUMBER_DEBUG4",
                "SEVERITY_NUMBER_INFO", "SEVERITY_NUMBER_INFO2", "SEVERITY_NUMBER_INFO3",
                "SEVERITY_NUMBER_INFO4",
                "SEVERITY_NUMBER_WARN", "SEVERITY_NUMBER_WARN2", "SEVERITY_NUMBER_WARN3",
                "SEVERITY_NUMBER_WARN4",
                "SEVERITY_NUMBER_ERROR", "SEVERITY_NUMBER_ERROR2", "SEVERITY_NUMBER_ERROR3",
                "SEVERITY_NUMBER_ERROR4",
                "SEVERITY_NUMBER_FATAL", "SEVERITY_NUMBER_FATAL2", "SEVERITY_NUMBER_FATAL3",
                "SEVERITY_NUMBER_FATAL4",
            ]
        }
    }
}
