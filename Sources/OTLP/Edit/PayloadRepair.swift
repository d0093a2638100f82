import Bytes

/// Writes a validated payload again, in the form that everything after it relies on: text is UTF-8,
/// and a message that may stand once stands once.
///
/// Few payloads need it (`TelemetryIndex.needsRepair`). Unknown fields, and the order of the
/// fields, stay as they are. Bytes that are not UTF-8 become U+FFFD; the parts of a split message
/// are merged. Of a `oneof` the last field stays, and of its parts those that come after another of
/// its fields, which has put an end to what was before. Source: the protobuf encoding
/// specification, "Last One Wins" and "merging".
///
/// Linear in the payload: a message is read twice where it is found and written once, however deep
/// it is nested.
public enum PayloadRepair {
    /// - Precondition: `payload` was validated as the `Export…ServiceRequest` of `signal`.
    /// - Throws: `WireError` where the result would be larger than `bytesMax`: a byte of text may
    ///   become three.
    public static func repair(
        _ payload: [UInt8], as signal: Signal, bytesMax: Int = TelemetryIndex.payloadBytesMax
    ) throws(WireError) -> [UInt8] {
        var writer = NestingWriter(
            reserving: payload.count + payload.count / 8, bytesMax: bytesMax)
        let whole = Parts.one(ByteRange(start: 0, end: payload.count))
        try rewrite(whole, OTLPJSON.type(signal, .request), payload.rawSpan, into: &writer)
        return try writer.finish()
    }

    /// The body of a message: nearly always in one piece.
    private enum Parts {
        case one(ByteRange)
        case several([ByteRange])

        var byteCount: Int {
            switch self {
            case .one(let range): range.count
            case .several(let ranges): ranges.reduce(0) { $0 + $1.count }
            }
        }

        @inline(__always)
        func forEachField(
            _ bytes: RawSpan, _ body: (WireField) throws(WireError) -> Void
        ) throws(WireError) {
            switch self {
            case .one(let range): try PayloadRepair.forEachField(range, bytes, body)
            case .several(let ranges):
                for range in ranges { try PayloadRepair.forEachField(range, bytes, body) }
            }
        }
    }

    /// What a look at all fields of a message tells.
    private struct Survey {
        /// Fields by number; no message of OTLP has one of 32 or more.
        var seen: UInt32 = 0
        /// Messages that may stand once and don't.
        var split: UInt32 = 0
        /// The field of the `oneof` that is set in the end.
        var ofOneof = -1
        /// How many fields of the `oneof` come before those that count.
        var displaced = 0
        var oneofCount = 0
    }

    /// Writes one message.
    private static func rewrite(
        _ parts: Parts, _ type: MessageType, _ bytes: RawSpan, into writer: inout NestingWriter
    ) throws(WireError) {
        let survey = try survey(parts, type, bytes)
        var oneofCount = 0
        var written: UInt32 = 0
        try parts.forEachField(bytes) { field throws(WireError) in
            guard let declared = declaration(field.number, type) else {
                return try writer.raw(bytes, field.field)
            }
            if declared.rule == .oneof {
                oneofCount += 1
                if oneofCount <= survey.displaced { return }
            }
            switch declared.kind {
            case .string where !bytes.isUTF8(field.value):
                try writer.repaired(field.number, bytes, field.value)
            case .message:
                let bit: UInt32 = 1 << UInt32(declared.number)
                guard survey.split & bit != 0 else {
                    return try writeMessage(.one(field.value), declared, bytes, &writer)
                }
                // All parts go where the first one stands.
                guard written & bit == 0 else { return }
                written |= bit
                let whole = try occurrences(of: declared, in: parts, type, survey, bytes)
                try writeMessage(.several(whole), declared, bytes, &writer)
            default: try writer.raw(bytes, field.field)
            }
        }
    }

    private static func writeMessage(
        _ parts: Parts, _ field: Schema.Field, _ bytes: RawSpan, _ writer: inout NestingWriter
    ) throws(WireError) {
        guard let type = MessageType(rawValue: field.type) else {
            preconditionFailure("BUG: the schema names a message that is not there")
        }
        let message = try writer.open(Int(field.number), expecting: parts.byteCount)
        if case .one(let body) = parts, type == .keyValue, bytes.isPlainAttribute(body) {
            // As nearly all attributes are: ASCII, and each field once.
            try writer.raw(bytes, body)
        } else {
            try rewrite(parts, type, bytes, into: &writer)
        }
        try writer.close(message)
    }

    private static func survey(
        _ parts: Parts, _ type: MessageType, _ bytes: RawSpan
    ) throws(WireError) -> Survey {
        var survey = Survey()
        try parts.forEachField(bytes) { field throws(WireError) in
            guard let declared = declaration(field.number, type) else { return }
            let bit: UInt32 = 1 << UInt32(declared.number)
            if declared.rule == .oneof {
                if survey.ofOneof >= 0, survey.ofOneof != field.number {
                    // What stood of the oneof so far is gone.
                    survey.displaced = survey.oneofCount
                    survey.seen &= ~(1 << UInt32(survey.ofOneof) | bit)
                    survey.split &= ~(1 << UInt32(survey.ofOneof) | bit)
                }
                survey.oneofCount += 1
                survey.ofOneof = field.number
            }
            if declared.kind == .message, declared.rule != .repeated, survey.seen & bit != 0 {
                survey.split |= bit
            }
            survey.seen |= bit
        }
        return survey
    }

    private static func occurrences(
        of wanted: Schema.Field, in parts: Parts, _ type: MessageType, _ survey: Survey,
        _ bytes: RawSpan
    ) throws(WireError) -> [ByteRange] {
        var found: [ByteRange] = []
        var oneofCount = 0
        try parts.forEachField(bytes) { field throws(WireError) in
            if wanted.rule == .oneof, survey.displaced > 0 {
                guard declaration(field.number, type)?.rule == .oneof else { return }
                oneofCount += 1
                if oneofCount <= survey.displaced { return }
            }
            if field.number == Int(wanted.number) { found.append(field.value) }
        }
        return found
    }

    private static func declaration(_ number: Int, _ type: MessageType) -> Schema.Field? {
        guard number < Schema.numberSlots else { return nil }
        let schema = Schema.shared
        let index = schema.byNumber[Int(type.rawValue) * Schema.numberSlots + number]
        guard index != Schema.none else { return nil }
        return schema.fields[Int(schema.messages[Int(type.rawValue)].firstField) + Int(index)]
    }

    private static func forEachField(
        _ range: ByteRange, _ bytes: RawSpan, _ body: (WireField) throws(WireError) -> Void
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = reader.nextValidated(in: bytes) { try body(field) }
    }
}
