import Bytes

extension TelemetryIndex {
    // message LogRecord { fixed64 time_unix_nano = 1; SeverityNumber severity_number = 2;
    //   string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6;
    //   uint32 dropped_attributes_count = 7; fixed32 flags = 8; bytes trace_id = 9;
    //   bytes span_id = 10; fixed64 observed_time_unix_nano = 11; string event_name = 12; }
    mutating func indexLogRecord(
        _ whole: WireField, _ bytes: RawSpan, frame: Int32, scope: Int32
    ) throws(WireError) {
        var item = ItemEntry(whole, frame: frame, parent: scope)
        var traceID = ByteRange.none
        var spanID = ByteRange.none
        var hasBody = false
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1, 11: try field.expect(.fixed64)
            case 2, 7: try field.expect(.varint)
            case 3, 12: _ = try text(field, bytes)
            case 5:
                try field.expect(.bytes)
                if hasBody { splitPartCount += 1 }
                hasBody = true
                try validateValue(field.value, bytes, depth: 0)
            case 6:
                let count = try validateAttributes(from: field, &reader, bytes)
                item.addAttributes(count, from: field, to: reader.offset)
            case 8: try field.expect(.fixed32)
            case 9: traceID = try field.bytes()
            case 10: spanID = try field.bytes()
            default: continue
            }
        }
        noteOptionalIDs(of: &item, traceID, spanID, bytes)
        try append(item)
    }

    /// Log records may lack ids; all zeros are the specification's way of saying so.
    private func noteOptionalIDs(
        of item: inout ItemEntry, _ traceID: ByteRange, _ spanID: ByteRange, _ bytes: RawSpan
    ) {
        if !traceID.isEmpty {
            if traceID.count != 16 {
                item.note(.traceID)
            } else if !bytes.isZero(traceID) {
                item.traceIDOffset = traceID.start
            }
        }
        if !spanID.isEmpty {
            if spanID.count != 8 {
                item.note(.spanID)
            } else if !bytes.isZero(spanID) {
                item.spanIDOffset = spanID.start
            }
        }
    }
}
