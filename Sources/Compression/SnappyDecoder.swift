import Bytes
import CSnappy

/// Snappy, by libsnappy: one block, or the blocks of the framing format.
///
/// Both declare their size without a byte decoded, and cannot expand more than
/// ``SnappyBlock`` allows, so that nothing has to be measured.
@safe struct SnappyDecoder: BodyDecoder, ~Copyable {
    enum Format {
        case block
        case framed

        /// What a body is that its sender calls `snappy`.
        ///
        /// A block cannot begin like the framing format: its size would be 895, its first element
        /// the byte 0, and its second a copy from further back than that.
        static func ofSnappy(_ input: RawSpan) -> Format {
            SnappyChunks.isStart(of: input)
                && input.byteCount >= SnappyChunks.identifier.count ? .framed : .block
        }
    }

    /// What the next call finds in its input.
    var format = Format.block

    func declaredSize(of input: RawSpan, limit: Int) throws(DecompressionError) -> Int? {
        var total = 0
        switch format {
        case .block: total = try SnappyBlock(input).bytes
        case .framed:
            var chunks = SnappyChunks(input)
            while let chunk = try chunks.next() {
                // No chunk has more than 64 KiB, and there are fewer than bytes: no overflow.
                total += try chunk.bytes()
                guard total <= limit else { throw .tooLarge(limit: limit) }
            }
        }
        guard total <= limit else { throw .tooLarge(limit: limit) }
        return total
    }

    func decode(_ input: RawSpan, into output: inout OutputSpan<UInt8>) -> DecodeOutcome {
        switch format {
        case .block: return decodeBlock(input, into: &output) ? .complete : .damaged
        case .framed:
            do throws(DecompressionError) {
                var chunks = SnappyChunks(input)
                while let chunk = try chunks.next() {
                    guard try decode(chunk, into: &output) else { return .damaged }
                }
                return .complete
            } catch {
                return .damaged
            }
        }
    }

    /// Only what did not decode comes here, as every size is declared: says what is wrong.
    func measure(
        _ input: RawSpan, through window: inout Window, limit: Int
    ) throws(DecompressionError) -> Int {
        if format == .block { throw try SnappyBlock(input).fault(in: input) }
        // The chunks are whole, or `declaredSize` would have said so.
        throw .corrupt
    }

    private func decode(
        _ chunk: SnappyChunks.Chunk, into output: inout OutputSpan<UInt8>
    ) throws(DecompressionError) -> Bool {
        let size = try chunk.bytes()
        guard size <= output.freeCapacity else { return false }
        let start = output.count
        if chunk.isCompressed {
            guard decodeBlock(chunk.data, into: &output) else { return false }
        } else {
            for offset in 0..<size { output.append(chunk.data.byte(at: offset)) }
        }
        // SAFETY: a view of bytes as bytes, for the length of the call.
        let decoded = unsafe output.span.extracting(start..<output.count).bytes
        return SnappyChunks.checksum(of: decoded) == chunk.checksum
    }

    private func decodeBlock(_ block: RawSpan, into output: inout OutputSpan<UInt8>) -> Bool {
        // SAFETY: libsnappy reads the block's bytes and writes at most `written` of the output's,
        // which is its free part; both outlive the call. It says how many it wrote.
        unsafe block.withUnsafeBytes { block in
            unsafe output.withUnsafeMutableBufferPointer { output, count in
                let free = unsafe UnsafeMutableBufferPointer(rebasing: output[count...])
                var written = free.count
                let status = unsafe snappy_uncompress(
                    block.baseAddress?.assumingMemoryBound(to: CChar.self), block.count,
                    UnsafeMutableRawPointer(free.baseAddress)?
                        .assumingMemoryBound(to: CChar.self), &written)
                guard status == SNAPPY_OK else { return false }
                count += written
                return true
            }
        }
    }
}
