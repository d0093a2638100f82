import Bytes
import OTLP

/// Cuts values to a length, in time linear in them: a value is looked over, and written where
/// something in it is too long.
///
/// Recursion ends: the index has refused values nested deeper than `TelemetryIndex.valueDepthMax`.
struct ValueTrim {
    /// Unicode scalars of a string, bytes of a byte array.
    let limit: Int

    // message KeyValue { string key = 1; AnyValue value = 2; }
    /// The body within the limit; nil where it is within it already.
    func keyValue(_ body: ByteRange, _ bytes: RawSpan) -> [UInt8]? {
        guard isTooLong(keyValue: body, bytes) else { return nil }
        var writer = NestingWriter(reserving: body.count)
        do throws(WireError) {
            try write(keyValue: body, bytes, to: &writer)
            return try writer.finish()
        } catch {
            preconditionFailure("BUG: a writer without a limit met it")
        }
    }

    private func isTooLong(keyValue body: ByteRange, _ bytes: RawSpan) -> Bool {
        var reader = MessageReader(body, field: 2)
        while let field = reader.next(in: bytes) {
            if isTooLong(value: field.value, bytes) { return true }
        }
        return false
    }

    // message AnyValue { oneof value { string string_value = 1; …; ArrayValue array_value = 5;
    //   KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
    private func isTooLong(value body: ByteRange, _ bytes: RawSpan) -> Bool {
        // A scalar has a byte at least.
        guard body.count > limit else { return false }
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: if end(ofText: field.value, bytes) < field.end { return true }
            case 5, 6:
                var elements = MessageReader(field.value, field: 1)
                while let element = elements.next(in: bytes) {
                    let isElementTooLong =
                        field.number == 5
                        ? isTooLong(value: element.value, bytes)
                        : isTooLong(keyValue: element.value, bytes)
                    if isElementTooLong { return true }
                }
            case 7: if field.value.count > limit { return true }
            default: continue
            }
        }
        return false
    }

    private func write(
        keyValue body: ByteRange, _ bytes: RawSpan, to writer: inout NestingWriter
    ) throws(WireError) {
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            guard field.number == 2 else {
                try writer.raw(bytes, field.field)
                continue
            }
            let value = try writer.open(2, expecting: field.value.count)
            try write(value: field.value, bytes, to: &writer)
            try writer.close(value)
        }
    }

    private func write(
        value body: ByteRange, _ bytes: RawSpan, to writer: inout NestingWriter
    ) throws(WireError) {
        guard body.count > limit else { return try writer.raw(bytes, body) }
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1:
                try writer.bytes(
                    1, bytes,
                    ByteRange(start: field.valueStart, end: end(ofText: field.value, bytes)))
            case 5, 6: try write(nested: field, bytes, to: &writer)
            case 7:
                let end = min(field.end, field.valueStart + limit)
                try writer.bytes(7, bytes, ByteRange(start: field.valueStart, end: end))
            default: try writer.raw(bytes, field.field)
            }
        }
    }

    // message ArrayValue { repeated AnyValue values = 1; }
    // message KeyValueList { repeated KeyValue values = 1; }
    private func write(
        nested: WireField, _ bytes: RawSpan, to writer: inout NestingWriter
    ) throws(WireError) {
        let list = try writer.open(nested.number, expecting: nested.value.count)
        var reader = WireReader(nested.value)
        while let field = reader.nextValidated(in: bytes) {
            guard field.number == 1 else {
                try writer.raw(bytes, field.field)
                continue
            }
            let element = try writer.open(1, expecting: field.value.count)
            if nested.number == 5 {
                try write(value: field.value, bytes, to: &writer)
            } else {
                try write(keyValue: field.value, bytes, to: &writer)
            }
            try writer.close(element)
        }
        try writer.close(list)
    }

    /// Past the first scalars of a UTF-8 text: before a byte that starts one, so never within one.
    private func end(ofText text: ByteRange, _ bytes: RawSpan) -> Int {
        guard text.count > limit else { return text.upperBound }
        var count = 0
        for offset in text.lowerBound..<text.upperBound {
            if bytes.byte(at: offset) & 0xC0 == 0x80 { continue }
            if count == limit { return offset }
            count += 1
        }
        return text.upperBound
    }
}
