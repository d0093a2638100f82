import Bytes
import OTLP

// The parts of items and resources that tables keep as arrays of objects.
extension ValueJSON {
    // message Span { repeated Event events = 11; }
    mutating func events(_ events: MessageReader, _ bytes: RawSpan) {
        var events = events
        var isFirst = true
        while let field = events.next(in: bytes) {
            let event = EventView(field.value, in: bytes)
            begin(&isFirst)
            raw("{\"time\":")
            integer(event.time)
            raw(",\"name\":")
            string(bytes, event.name)
            member("attributes", event.attributes, bytes)
            member("dropped_attributes", unlessZero: event.droppedAttributesCount)
            raw("}")
        }
        if !isFirst { raw("]") }
    }

    // message Span { repeated Link links = 13; }
    mutating func links(_ links: MessageReader, _ bytes: RawSpan) {
        var links = links
        var isFirst = true
        while let field = links.next(in: bytes) {
            let link = LinkView(field.value, in: bytes)
            begin(&isFirst)
            raw("{\"trace_id\":\"")
            hex(link.traceID)
            raw("\",\"span_id\":\"")
            hex(link.spanID.word)
            raw("\"")
            if !link.traceState.isEmpty {
                raw(",\"trace_state\":")
                string(bytes, link.traceState)
            }
            member("attributes", link.attributes, bytes)
            member("dropped_attributes", unlessZero: link.droppedAttributesCount)
            member("flags", unlessZero: link.flags)
            raw("}")
        }
        if !isFirst { raw("]") }
    }

    // message Exemplar { fixed64 time_unix_nano = 2; double as_double = 3; bytes span_id = 4;
    //   bytes trace_id = 5; sfixed64 as_int = 6; repeated KeyValue filtered_attributes = 7; }
    mutating func exemplars(_ exemplars: MessageReader, _ bytes: RawSpan) {
        var exemplars = exemplars
        var isFirst = true
        while let field = exemplars.next(in: bytes) {
            let exemplar = ExemplarView(field.value, in: bytes)
            begin(&isFirst)
            raw("{\"time\":")
            integer(exemplar.time)
            switch exemplar.number {
            case .none: break
            case .int(let value):
                raw(",\"value\":")
                integer(value)
            case .double(let value):
                raw(",\"value\":")
                double(value)
            }
            if !exemplar.traceID.isZero {
                raw(",\"trace_id\":\"")
                hex(exemplar.traceID)
                raw("\"")
            }
            if !exemplar.spanID.isZero {
                raw(",\"span_id\":\"")
                hex(exemplar.spanID.word)
                raw("\"")
            }
            member("attributes", exemplar.filteredAttributes, bytes)
            raw("}")
        }
        if !isFirst { raw("]") }
    }

    // message Resource { repeated EntityRef entity_refs = 3; }
    mutating func entityReferences(ofResource body: ByteRange, _ bytes: RawSpan) {
        var references = MessageReader(body, field: 3)
        var isFirst = true
        while let reference = references.next(in: bytes) {
            begin(&isFirst)
            entityReference(reference.value, bytes)
        }
        if !isFirst { raw("]") }
    }

    // message EntityRef { string schema_url = 1; string type = 2; repeated string id_keys = 3;
    //   repeated string description_keys = 4; }
    private mutating func entityReference(_ entity: ByteRange, _ bytes: RawSpan) {
        var schemaURL = ByteRange.none
        var type = ByteRange.none
        var idKeys: [ByteRange] = []
        var descriptionKeys: [ByteRange] = []
        var reader = WireReader(entity)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: schemaURL = field.value
            case 2: type = field.value
            case 3: idKeys.append(field.value)
            case 4: descriptionKeys.append(field.value)
            default: continue
            }
        }
        raw("{\"type\":")
        string(bytes, type)
        raw(",\"id_keys\":")
        list(idKeys) { $0.string(bytes, $1) }
        raw(",\"description_keys\":")
        list(descriptionKeys) { $0.string(bytes, $1) }
        if !schemaURL.isEmpty {
            raw(",\"schema_url\":")
            string(bytes, schemaURL)
        }
        raw("}")
    }

    /// `[` before the first element, `,` before others.
    private mutating func begin(_ isFirst: inout Bool) {
        output.append(isFirst ? UInt8(ascii: "[") : UInt8(ascii: ","))
        isFirst = false
    }
}
