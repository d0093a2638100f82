public import Bytes

/// Writes messages that nest to any depth, in time linear in their bytes: an open message leaves
/// room for its length, and where that needs another number of bytes, a large body moves once at
/// the end, however many messages are around it.
public struct NestingWriter: ~Copyable {
    /// A message that is being written.
    public struct Message {
        fileprivate let start: Int
        fileprivate let width: Int
    }

    private var output: CodecBuffer

    /// - Parameter bytesMax: the most bytes of the whole.
    public init(reserving capacity: Int = 0, bytesMax: Int = .max) {
        output = CodecBuffer(limit: bytesMax, capacity: capacity)
    }

    /// Begins a message as a field.
    ///
    /// - Parameter expected: bytes of its body, where they are known about.
    /// - Throws: `WireError` at the limit, as all that writes does.
    public mutating func open(
        _ number: Int, expecting expected: Int
    ) throws(WireError) -> Message {
        let width = Varint.size(UInt64(truncatingIfNeeded: expected))
        return try limited { output throws(CodecFault) in
            try output.append(varint: NestingWriter.tag(number))
            return Message(start: try output.openLength(width: width), width: width)
        }
    }

    /// Ends the message that was opened last.
    public mutating func close(_ message: Message) throws(WireError) {
        try limited { output throws(CodecFault) in
            _ = try output.closeLength(from: message.start, width: message.width)
        }
    }

    /// Bytes that are fields already.
    public mutating func raw(_ source: RawSpan, _ range: ByteRange) throws(WireError) {
        try limited { output throws(CodecFault) in
            try output.append(source, from: range.lowerBound, to: range.upperBound)
        }
    }

    /// A field of text or bytes.
    public mutating func bytes(
        _ number: Int, _ source: RawSpan, _ range: ByteRange
    ) throws(WireError) {
        try limited { output throws(CodecFault) in
            try output.append(varint: NestingWriter.tag(number))
            try output.append(varint: UInt64(truncatingIfNeeded: range.count))
            try output.append(source, from: range.lowerBound, to: range.upperBound)
        }
    }

    /// A field of text, in which bytes that are not UTF-8 become U+FFFD.
    public mutating func repaired(
        _ number: Int, _ source: RawSpan, _ range: ByteRange
    ) throws(WireError) {
        let text = try open(number, expecting: range.count)
        try limited { output throws(CodecFault) in
            try output.append(repairing: source, from: range.lowerBound, to: range.upperBound)
        }
        try close(text)
    }

    public mutating func varint(_ number: Int, _ value: UInt64) throws(WireError) {
        try limited { output throws(CodecFault) in
            try output.append(varint: UInt64(number) << 3)
            try output.append(varint: value)
        }
    }

    /// All that was written. Every message must have been closed.
    public consuming func finish() throws(WireError) -> [UInt8] {
        try limited { output throws(CodecFault) in try output.settleLengths() }
        return output.bytes
    }

    private static func tag(_ number: Int) -> UInt64 {
        UInt64(number) << 3 | UInt64(WireType.bytes.rawValue)
    }

    /// The buffer throws at its limit alone.
    @inline(__always)
    private mutating func limited<Result>(
        _ body: (inout CodecBuffer) throws(CodecFault) -> Result
    ) throws(WireError) -> Result {
        do throws(CodecFault) {
            return try body(&output)
        } catch {
            throw WireError(.tooLarge(limit: output.limit), at: 0)
        }
    }
}

extension CodecBuffer {
    /// Appends text; what is not UTF-8 in it becomes U+FFFD.
    fileprivate mutating func append(
        repairing source: RawSpan, from start: Int, to end: Int
    ) throws(CodecFault) {
        var replaced = 0
        var offset = start
        while offset < end {
            var plain = offset
            while plain < end, source.byte(at: plain) < 0x80 { plain += 1 }
            try append(source, from: offset, to: plain)
            offset = try appendUTF8(source, from: plain, to: end, &replaced)
        }
    }
}
