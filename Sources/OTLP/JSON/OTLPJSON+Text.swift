import Bytes

extension OTLPJSON {
    /// `text` as a JSON string, quotes included.
    public static func quoted(_ text: String) -> String {
        var buffer = CodecBuffer()
        var source = text
        source.withUTF8 { utf8 in
            // SAFETY: the string's own memory, for the time of this call.
            let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(utf8))
            var replaced = 0
            do {
                try buffer.append(jsonString: bytes, from: 0, to: bytes.byteCount, &replaced)
            } catch {
                preconditionFailure("BUG: a buffer without a limit met it")
            }
        }
        return buffer.written.string(ByteRange(start: 0, end: buffer.count))
    }
}
