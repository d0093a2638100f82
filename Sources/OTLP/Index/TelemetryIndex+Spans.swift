import Bytes

extension TelemetryIndex {
    // message Span { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3;
    //   bytes parent_span_id = 4; string name = 5; SpanKind kind = 6;
    //   fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    //   repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
    //   repeated Event events = 11; uint32 dropped_events_count = 12;
    //   repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15;
    //   fixed32 flags = 16; }
    mutating func indexSpan(
        _ whole: WireField, _ bytes: RawSpan, frame: Int32, scope: Int32
    ) throws(WireError) {
        var item = ItemEntry(whole, frame: frame, parent: scope)
        var traceID = ByteRange.none
        var spanID = ByteRange.none
        var hasStatus = false
        var reader = WireReader(whole.value)
        if let ids = reader.passPlainIDs(in: bytes) { (traceID, spanID) = ids }
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 9:
                let count = try validateAttributes(from: field, &reader, bytes)
                item.addAttributes(count, from: field, to: reader.offset)
            case 1: traceID = try field.bytes()
            case 2: spanID = try field.bytes()
            case 3: item.traceState = try text(field, bytes)
            case 4:
                let parentID = try field.bytes()
                if parentID.count != 0, parentID.count != 8 { item.note(.parentSpanID) }
            case 5: _ = try text(field, bytes)
            case 6, 10, 12, 14: try field.expect(.varint)
            case 7:
                try field.expect(.fixed64)
                reader.passFixed64(tagged: 0x41, in: bytes)
            case 8: try field.expect(.fixed64)
            case 11: try validateEvent(field, bytes)
            case 13: try validateLink(field, bytes, &item)
            case 15:
                if hasStatus { splitPartCount += 1 }
                hasStatus = true
                try validateStatus(field, bytes)
            case 16: try field.expect(.fixed32)
            default: continue
            }
        }
        if traceID.count == 16, !bytes.isZero(traceID) {
            item.traceIDOffset = traceID.start
        } else {
            item.note(.traceID)
        }
        if spanID.count == 8, !bytes.isZero(spanID) {
            item.spanIDOffset = spanID.start
        } else {
            item.note(.spanID)
        }
        try append(item)
    }

    // message Event { fixed64 time_unix_nano = 1; string name = 2;
    //   repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
    private mutating func validateEvent(
        _ whole: WireField, _ bytes: RawSpan
    ) throws(WireError) {
        try whole.expect(.bytes)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: try field.expect(.fixed64)
            case 2: _ = try text(field, bytes)
            case 3: _ = try validateAttributes(from: field, &reader, bytes)
            case 4: try field.expect(.varint)
            default: continue
            }
        }
    }

    // message Link { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3;
    //   repeated KeyValue attributes = 4; uint32 dropped_attributes_count = 5;
    //   fixed32 flags = 6; }
    private mutating func validateLink(
        _ whole: WireField, _ bytes: RawSpan, _ item: inout ItemEntry
    ) throws(WireError) {
        try whole.expect(.bytes)
        var traceIDCount = 0
        var spanIDCount = 0
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: traceIDCount = try field.bytes().count
            case 2: spanIDCount = try field.bytes().count
            case 3: _ = try text(field, bytes)
            case 4: _ = try validateAttributes(from: field, &reader, bytes)
            case 5: try field.expect(.varint)
            case 6: try field.expect(.fixed32)
            default: continue
            }
        }
        if traceIDCount != 16 || spanIDCount != 8 { item.note(.linkID) }
    }

    // message Status { reserved 1; string message = 2; StatusCode code = 3; }
    private mutating func validateStatus(
        _ whole: WireField, _ bytes: RawSpan
    ) throws(WireError) {
        try whole.expect(.bytes)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 2: _ = try text(field, bytes)
            case 3: try field.expect(.varint)
            default: continue
            }
        }
    }
}

extension RawSpan {
    /// Whether an id of 8 or 16 bytes is all zero.
    @inline(__always)
    func isZero(_ id: ByteRange) -> Bool {
        littleEndian64(at: id.lowerBound) == 0
            && (id.count == 8 || littleEndian64(at: id.lowerBound + 8) == 0)
    }
}
