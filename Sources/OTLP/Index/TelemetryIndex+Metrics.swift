import Bytes

extension TelemetryIndex {
    // message Metric { string name = 1; string description = 2; string unit = 3;
    //   oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9;
    //     ExponentialHistogram exponential_histogram = 10; Summary summary = 11; }
    //   repeated KeyValue metadata = 12; }
    mutating func indexMetric(
        _ whole: WireField, _ bytes: RawSpan, frame parent: Int32, scope: Int32
    ) throws(WireError) {
        let frame = try push(whole, parent: parent)
        let metricIndex = metrics.count
        let firstItem = items.count
        var entry = MetricEntry(frame: frame, scope: scope)
        metrics.append(entry)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: entry.name = try text(field, bytes)
            case 2: entry.description = try text(field, bytes)
            case 3: entry.unit = try text(field, bytes)
            case 5, 7, 9, 10, 11:
                try field.expect(.bytes)
                // Of a oneof the last one counts, and parts of the same one merge.
                if entry.dataFrame >= 0 { splitPartCount += 1 }
                entry.dataFrame = try push(field, parent: frame)
                // The case list above is the list of raw values.
                entry.kind = MetricKind(rawValue: UInt8(field.number)) ?? .none
                try indexData(field.value, bytes, &entry, metric: Int32(metricIndex))
            case 12: _ = try validateAttributes(from: field, &reader, bytes)
            default: continue
            }
        }
        entry.items = firstItem..<items.count
        metrics[metricIndex] = entry
    }

    // message Sum { repeated NumberDataPoint data_points = 1;
    //   AggregationTemporality aggregation_temporality = 2; bool is_monotonic = 3; }
    // Gauge, Histogram, ExponentialHistogram and Summary have a part of the same fields.
    private mutating func indexData(
        _ range: ByteRange, _ bytes: RawSpan, _ metric: inout MetricEntry, metric index: Int32
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1:
                try field.expect(.bytes)
                var item = ItemEntry(field, frame: metric.dataFrame, parent: index)
                if readsItems { try validatePoint(field.value, bytes, metric.kind, &item) }
                try append(item)
            case 2 where metric.kind != .gauge && metric.kind != .summary:
                try field.expect(.varint)
                metric.temporality = UInt8(truncatingIfNeeded: min(field.bits, 255))
            case 3 where metric.kind == .sum:
                try field.expect(.varint)
                metric.isMonotonic = field.bits != 0
            default: continue
            }
        }
    }

    private mutating func validatePoint(
        _ range: ByteRange, _ bytes: RawSpan, _ kind: MetricKind, _ item: inout ItemEntry
    ) throws(WireError) {
        switch kind {
        case .gauge, .sum, .none: try validateNumber(range, bytes, &item)
        case .histogram: try validateHistogram(range, bytes, &item)
        case .exponentialHistogram: try validateExponential(range, bytes, &item)
        case .summary: try validateSummary(range, bytes, &item)
        }
    }

    // message NumberDataPoint { fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
    //   oneof value { double as_double = 4; sfixed64 as_int = 6; } repeated Exemplar exemplars = 5;
    //   repeated KeyValue attributes = 7; uint32 flags = 8; }
    private mutating func validateNumber(
        _ range: ByteRange, _ bytes: RawSpan, _ item: inout ItemEntry
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 2, 3, 4, 6: try field.expect(.fixed64)
            case 5: try validateExemplar(field, bytes, &item)
            case 7:
                let count = try validateAttributes(from: field, &reader, bytes)
                item.addAttributes(count, from: field, to: reader.offset)
            case 8: try field.expect(.varint)
            default: continue
            }
        }
    }

    // message HistogramDataPoint { fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
    //   fixed64 count = 4; optional double sum = 5; repeated fixed64 bucket_counts = 6;
    //   repeated double explicit_bounds = 7; repeated Exemplar exemplars = 8;
    //   repeated KeyValue attributes = 9; uint32 flags = 10; optional double min = 11;
    //   optional double max = 12; }
    private mutating func validateHistogram(
        _ range: ByteRange, _ bytes: RawSpan, _ item: inout ItemEntry
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 2, 3, 4, 5, 11, 12: try field.expect(.fixed64)
            case 6, 7: try expectRepeated(field, of: .fixed64)
            case 8: try validateExemplar(field, bytes, &item)
            case 9:
                let count = try validateAttributes(from: field, &reader, bytes)
                item.addAttributes(count, from: field, to: reader.offset)
            case 10: try field.expect(.varint)
            default: continue
            }
        }
    }

    // message ExponentialHistogramDataPoint { repeated KeyValue attributes = 1;
    //   fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
    //   optional double sum = 5; sint32 scale = 6; fixed64 zero_count = 7; Buckets positive = 8;
    //   Buckets negative = 9; uint32 flags = 10; repeated Exemplar exemplars = 11;
    //   optional double min = 12; optional double max = 13; double zero_threshold = 14; }
    private mutating func validateExponential(
        _ range: ByteRange, _ bytes: RawSpan, _ item: inout ItemEntry
    ) throws(WireError) {
        var bucketsSeen = 0
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1:
                let count = try validateAttributes(from: field, &reader, bytes)
                item.addAttributes(count, from: field, to: reader.offset)
            case 2, 3, 4, 5, 7, 12, 13, 14: try field.expect(.fixed64)
            case 6, 10: try field.expect(.varint)
            case 8, 9:
                let sign = field.number &- 7  // 1 for positive, 2 for negative
                if bucketsSeen & sign != 0 { splitPartCount += 1 }
                bucketsSeen |= sign
                try validateBuckets(field, bytes)
            case 11: try validateExemplar(field, bytes, &item)
            default: continue
            }
        }
    }

    // message Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }
    private mutating func validateBuckets(
        _ whole: WireField, _ bytes: RawSpan
    ) throws(WireError) {
        try whole.expect(.bytes)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: try field.expect(.varint)
            case 2 where field.type == .bytes:
                var counts = WireReader(field.value)
                while counts.offset < counts.end { _ = try counts.varint(in: bytes) }
            case 2: try field.expect(.varint)
            default: continue
            }
        }
    }

    // message SummaryDataPoint { fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
    //   fixed64 count = 4; double sum = 5; repeated ValueAtQuantile quantile_values = 6;
    //   repeated KeyValue attributes = 7; uint32 flags = 8; }
    // message ValueAtQuantile { double quantile = 1; double value = 2; }
    private mutating func validateSummary(
        _ range: ByteRange, _ bytes: RawSpan, _ item: inout ItemEntry
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 2, 3, 4, 5: try field.expect(.fixed64)
            case 6:
                var quantile = WireReader(try field.bytes())
                while let part = try quantile.next(in: bytes) {
                    if part.number <= 2 { try part.expect(.fixed64) }
                }
            case 7:
                let count = try validateAttributes(from: field, &reader, bytes)
                item.addAttributes(count, from: field, to: reader.offset)
            case 8: try field.expect(.varint)
            default: continue
            }
        }
    }

    // message Exemplar { fixed64 time_unix_nano = 2; double as_double = 3; bytes span_id = 4;
    //   bytes trace_id = 5; sfixed64 as_int = 6; repeated KeyValue filtered_attributes = 7; }
    private mutating func validateExemplar(
        _ whole: WireField, _ bytes: RawSpan, _ item: inout ItemEntry
    ) throws(WireError) {
        try whole.expect(.bytes)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 2, 3, 6: try field.expect(.fixed64)
            case 4:
                let count = try field.bytes().count
                if count != 0, count != 8 { item.note(.exemplarID) }
            case 5:
                let count = try field.bytes().count
                if count != 0, count != 16 { item.note(.exemplarID) }
            case 7: _ = try validateAttributes(from: field, &reader, bytes)
            default: continue
            }
        }
    }
}
