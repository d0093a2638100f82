import OTLP
import Platform

/// Writes `IngestSpan` as OTLP.
///
///     message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
///     message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
///     message ScopeSpans    { InstrumentationScope scope = 1; repeated Span spans = 2; }
///     message Span {
///       bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
///       string name = 5; SpanKind kind = 6;
///       fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
///       repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
///       Status status = 15; fixed32 flags = 16;
///     }
///     message Status { string message = 2; StatusCode code = 3; }
struct IngestSpanEncoder {
    /// `SpanFlags`: bit 8 says that bit 9 means something, bit 9 that the parent is remote.
    private static let parentIsRemote: UInt32 = 0x300
    private static let statusError: UInt64 = 2

    /// `Resource resource = 1` of `ResourceSpans`.
    private let resource: [UInt8]
    /// `InstrumentationScope scope = 1` of `ScopeSpans`.
    private let scope: [UInt8]
    /// `string schema_url = 3` of `ResourceSpans`.
    private let schemaURL: String

    init(resource described: TelemetryResource, version: String) {
        var writer = ProtobufWriter()
        writer.message(1) { resource in
            for attribute in described.attributes {
                resource.message(1) { pair in
                    pair.string(1, attribute.name)
                    pair.message(2) { Self.write(attribute.value, to: &$0) }
                }
            }
        }
        resource = writer.bytes
        schemaURL = described.schemaURL
        writer.removeAll()
        writer.message(1) { scope in
            scope.string(1, "sluice")
            scope.string(2, version)
        }
        scope = writer.bytes
    }

    /// `repeated Span spans = 2` of `ScopeSpans`, once.
    func encode(_ span: IngestSpan, endUnixNanoseconds: UInt64, failure: String?) -> [UInt8] {
        var writer = ProtobufWriter(reserving: 512)
        writer.message(2) { message in
            message.identifier(1, span.context.traceID.high, span.context.traceID.low)
            message.identifier(2, span.context.spanID.word)
            if !span.context.traceState.isEmpty { message.string(3, span.context.traceState) }
            message.identifier(4, span.parentSpanID.word)
            message.string(5, span.name)
            message.varint(6, span.kind.rawValue)
            message.fixed64(7, span.startUnixNanoseconds)
            message.fixed64(8, endUnixNanoseconds)
            for (key, value) in span.attributes {
                Self.write(key, value, field: 9, to: &message)
            }
            if span.droppedAttributes > 0 { message.varint(10, UInt64(span.droppedAttributes)) }
            if let failure {
                message.message(15) { status in
                    status.string(2, failure)
                    status.varint(3, Self.statusError)
                }
            }
            message.fixed32(16, Self.parentIsRemote | UInt32(span.context.flags.rawValue))
        }
        return writer.bytes
    }

    /// The whole request around encoded spans.
    func request(_ spans: [[UInt8]]) -> [UInt8] {
        var writer = ProtobufWriter(reserving: spans.reduce(256) { $0 + $1.count })
        writer.message(1) { resourceSpans in
            resourceSpans.raw(resource)
            resourceSpans.message(2) { scopeSpans in
                scopeSpans.raw(scope)
                for span in spans { scopeSpans.raw(span) }
            }
            if !schemaURL.isEmpty { resourceSpans.string(3, schemaURL) }
        }
        return writer.bytes
    }

    /// Of `AnyValue`: `array_value = 5`, whose `ArrayValue` has `repeated AnyValue values = 1`.
    private static func write(
        _ value: TelemetryResource.AttributeValue, to any: inout ProtobufWriter
    ) {
        switch value {
        case .string(let string): any.string(1, string)
        case .bool(let flag): any.bool(2, flag)
        case .int(let number): any.int(3, number)
        case .double(let number): any.double(4, number)
        case .list(let values):
            any.message(5) { array in
                for value in values { array.message(1) { write(value, to: &$0) } }
            }
        }
    }

    /// `message KeyValue { string key = 1; AnyValue value = 2; }`, of `AnyValue`:
    /// `string_value = 1; bool_value = 2; int_value = 3; double_value = 4;`
    private static func write(
        _ key: String, _ value: LogValue, field: Int, to writer: inout ProtobufWriter
    ) {
        writer.message(field) { attribute in
            attribute.string(1, key)
            attribute.message(2) { any in
                switch value {
                case .string(let string): any.string(1, string)
                case .boolean(let flag): any.bool(2, flag)
                case .integer(let number): any.int(3, number)
                case .unsigned(let number): any.int(3, Int64(clamping: number))
                case .double(let number): any.double(4, number)
                case .duration(let duration): any.double(4, duration.seconds)
                }
            }
        }
    }
}
