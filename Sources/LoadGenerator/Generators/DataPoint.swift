import Bytes
import OTLP

/// One data point, written as the type of its metric asks.
///
///     message NumberDataPoint {
///       fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; double as_double = 4;
///       repeated Exemplar exemplars = 5; sfixed64 as_int = 6; repeated KeyValue attributes = 7;
///     }
///     message HistogramDataPoint {
///       start = 2; time = 3; fixed64 count = 4; double sum = 5; repeated fixed64 bucket_counts =
///       6; repeated double explicit_bounds = 7; exemplars = 8; attributes = 9; min = 11; max = 12;
///     }
///     message ExponentialHistogramDataPoint {
///       attributes = 1; start = 2; time = 3; fixed64 count = 4; double sum = 5; sint32 scale = 6;
///       fixed64 zero_count = 7; Buckets positive = 8; exemplars = 11; min = 12; max = 13;
///       message Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }
///     }
///     message SummaryDataPoint {
///       start = 2; time = 3; fixed64 count = 4; double sum = 5;
///       repeated ValueAtQuantile quantile_values = 6 { double quantile = 1; double value = 2; }
///       attributes = 7;
///     }
struct DataPoint {
    let series: MetricSeries
    let attributes: KeyValuePairs<String, AttributeValue>
    /// The connection that sends it: each keeps series of its own, told apart by an attribute.
    let stream: Int
    let start: UInt64
    let time: UInt64
    let traceID: TraceID
    let spanID: SpanID

    func write(_ kind: MetricInstrument.Kind, to point: inout ProtobufWriter) {
        // Of the exponential histogram alone, attributes come first.
        if kind == .exponentialHistogram { writeAttributes(field: 1, to: &point) }
        point.fixed64(2, start)
        point.fixed64(3, time)
        switch kind {
        case .counter:
            writeExemplar(field: 5, to: &point)
            point.fixed64(6, series.count)
            writeAttributes(field: 7, to: &point)
        case .deltaCounter:
            point.double(4, series.lastSum * 100)
            writeAttributes(field: 7, to: &point)
        case .upDownCounter:
            point.fixed64(6, UInt64(series.level * 40))
            writeAttributes(field: 7, to: &point)
        case .gauge:
            point.double(4, series.level)
            writeAttributes(field: 7, to: &point)
        case .histogram: writeHistogram(to: &point)
        case .exponentialHistogram: writeExponentialHistogram(to: &point)
        case .summary: writeSummary(to: &point)
        }
    }

    private func writeHistogram(to point: inout ProtobufWriter) {
        point.fixed64(4, series.count)
        point.double(5, series.sum)
        point.packedFixed64(6, series.bucketCounts)
        point.packedFixed64(7, MetricSeries.bounds.map(\.bitPattern))
        writeExemplar(field: 8, to: &point)
        writeAttributes(field: 9, to: &point)
        point.double(11, series.minimum)
        point.double(12, series.maximum)
    }

    private func writeExponentialHistogram(to point: inout ProtobufWriter) {
        point.fixed64(4, series.count)
        point.double(5, series.sum)
        point.sint(6, MetricSeries.exponentialScale)
        point.fixed64(7, 0)
        var counts: [UInt8] = []
        for count in series.exponentialCounts { Varint.append(count, to: &counts) }
        point.message(8) { positive in
            positive.sint(1, MetricSeries.exponentialOffset)
            positive.bytes(2, counts)
        }
        writeExemplar(field: 11, to: &point)
        point.double(12, series.minimum)
        point.double(13, series.maximum)
    }

    private func writeSummary(to point: inout ProtobufWriter) {
        point.fixed64(4, series.count)
        point.double(5, series.sum)
        let mean = series.sum / Double(max(series.count, 1))
        for (quantile, value) in [(0.5, mean), (0.99, series.maximum)] {
            point.message(6) { pair in
                pair.double(1, quantile)
                pair.double(2, value)
            }
        }
        writeAttributes(field: 7, to: &point)
    }

    private func writeAttributes(field: Int, to point: inout ProtobufWriter) {
        point.attributes(field, attributes)
        point.attribute(field, "shop.shard", .integer(Int64(stream)))
    }

    /// `message Exemplar { fixed64 time_unix_nano = 2; double as_double = 3; bytes span_id = 4;`
    /// `bytes trace_id = 5; repeated KeyValue filtered_attributes = 7; }`
    private func writeExemplar(field: Int, to point: inout ProtobufWriter) {
        point.message(field) { exemplar in
            exemplar.fixed64(2, time)
            exemplar.double(3, series.lastValue)
            exemplar.identifier(4, spanID.word)
            exemplar.identifier(5, traceID.high, traceID.low)
        }
    }
}
