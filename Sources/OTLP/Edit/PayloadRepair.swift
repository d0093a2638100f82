import Bytes

/// Writes a validated payload again, in the form that everything after it relies on: text is UTF-8,
/// and a message that may stand once stands once.
///
/// Few payloads need it (`TelemetryIndex.needsRepair`), so it is written for clarity. Unknown
/// fields, and the order of the fields, stay as they are. Bytes that are not UTF-8 become U+FFFD;
/// the parts of a split message are merged, of a `oneof` the last field stays. Source: the protobuf
/// encoding specification, "Last One Wins" and "merging".
public enum PayloadRepair {
    /// - Precondition: `payload` was validated as the `Export…ServiceRequest` of `signal`.
    public static func repair(_ payload: [UInt8], as signal: Signal) -> [UInt8] {
        var writer = ProtobufWriter(reserving: payload.count + payload.count / 8)
        let bytes = payload.rawSpan
        let whole = [ByteRange(start: 0, end: bytes.byteCount)]
        rewrite(whole, OTLPJSON.type(signal, .request), bytes, into: &writer)
        return writer.bytes
    }

    /// Writes one message whose body stands in `parts`.
    private static func rewrite(
        _ parts: [ByteRange], _ type: MessageType, _ bytes: RawSpan,
        into writer: inout ProtobufWriter
    ) {
        let lastOfOneof = lastOneofField(parts, type, bytes)
        var written: Set<Int> = []
        forEachField(parts, bytes) { field in
            guard let declared = declaration(field.number, type) else {
                return writer.raw(bytes, field.field)
            }
            if declared.rule == .oneof, field.number != lastOfOneof { return }
            switch declared.kind {
            case .string:
                writer.string(field.number, bytes.string(field.value))
            case .message where declared.rule == .repeated:
                writeMessage([field.value], field.number, declared.type, bytes, &writer)
            case .message:
                // All parts go where the first one stands.
                guard written.insert(field.number).inserted else { return }
                let parts = occurrences(of: field.number, in: parts, bytes)
                writeMessage(parts, field.number, declared.type, bytes, &writer)
            default: writer.raw(bytes, field.field)
            }
        }
    }

    private static func writeMessage(
        _ parts: [ByteRange], _ number: Int, _ type: UInt8, _ bytes: RawSpan,
        _ writer: inout ProtobufWriter
    ) {
        guard let type = MessageType(rawValue: type) else {
            preconditionFailure("BUG: the schema names a message that is not there")
        }
        var body = ProtobufWriter()
        rewrite(parts, type, bytes, into: &body)
        writer.bytes(number, body.bytes)
    }

    private static func declaration(_ number: Int, _ type: MessageType) -> Schema.Field? {
        guard number < Schema.numberSlots else { return nil }
        let schema = Schema.shared
        let index = schema.byNumber[Int(type.rawValue) * Schema.numberSlots + number]
        guard index != Schema.none else { return nil }
        return schema.fields[Int(schema.messages[Int(type.rawValue)].firstField) + Int(index)]
    }

    private static func lastOneofField(
        _ parts: [ByteRange], _ type: MessageType, _ bytes: RawSpan
    ) -> Int? {
        var last: Int?
        forEachField(parts, bytes) { field in
            if declaration(field.number, type)?.rule == .oneof { last = field.number }
        }
        return last
    }

    private static func occurrences(
        of number: Int, in parts: [ByteRange], _ bytes: RawSpan
    ) -> [ByteRange] {
        var found: [ByteRange] = []
        forEachField(parts, bytes) { if $0.number == number { found.append($0.value) } }
        return found
    }

    private static func forEachField(
        _ parts: [ByteRange], _ bytes: RawSpan, _ body: (WireField) -> Void
    ) {
        for part in parts {
            var reader = WireReader(part)
            while let field = reader.nextValidated(in: bytes) { body(field) }
        }
    }
}
