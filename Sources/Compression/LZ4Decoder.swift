import Bytes
import CLZ4

/// LZ4 frames, by liblz4.
@safe struct LZ4Decoder: BodyDecoder, ~Copyable {
    /// Blocks of 64 KiB, the tool's and most libraries' default: two buffers for them and what
    /// linked blocks refer to. A context for larger blocks is freed after the call.
    static let retainedBytesMax = 2 * retainedBlockBytesMax + linkedBytes
    /// For blocks of 4 MiB.
    static let workingBytesMax = 2 * (4 << 20) + linkedBytes

    private static let retainedBlockBytesMax = 64 << 10
    private static let linkedBytes = (128 << 10) + 1024

    // SAFETY: either nil or a context that this value alone owns.
    private var context: OpaquePointer?
    /// The largest block of what the context has decoded.
    private var blockBytesMax = 0

    init() {
        unsafe context = nil
    }

    deinit {
        unsafe LZ4F_freeDecompressionContext(context)
    }

    /// Walks the frames by their headers, without decoding, and adds up the sizes that they
    /// declare; a frame need not declare one.
    mutating func declaredSize(of input: RawSpan, limit: Int) throws(DecompressionError) -> Int? {
        var offset = 0
        var total: Int? = 0
        while offset < input.byteCount {
            let frame = try LZ4Frame(beginning: input.extracting(offset..<input.byteCount))
            offset += frame.bytes
            blockBytesMax = max(blockBytesMax, frame.blockBytesMax)
            switch frame.content {
            case .skippable: continue
            case .undeclared: total = nil
            case .declared(let size):
                // A frame holds what it declares or is corrupt: no need to look further.
                guard size <= UInt64(limit) else { throw .tooLarge(limit: limit) }
                total = total.map { $0 + Int(size) }
                if let total, total > limit { throw .tooLarge(limit: limit) }
            }
        }
        return total
    }

    mutating func decode(
        _ input: RawSpan, into output: inout OutputSpan<UInt8>
    ) -> DecodeOutcome {
        let context = unsafe started()
        defer { shrink() }
        // SAFETY: liblz4 reads the input's bytes and writes at most the free part of the output,
        // both of which outlive the call; it says how many it took and gave. What was written
        // stays where it is, as `stableDst` promises.
        return unsafe input.withUnsafeBytes { input in
            unsafe output.withUnsafeMutableBufferPointer { output, count in
                var offset = 0
                while true {
                    let free = unsafe UnsafeMutableBufferPointer(rebasing: output[count...])
                    let step = unsafe Self.step(context, input, &offset, free, isStable: true)
                    guard let step else { return .damaged }
                    count += step.written
                    if step.endsFrame, offset == input.count { return .complete }
                    if step.isStuck { return count == output.count ? .noRoom : .damaged }
                }
            }
        }
    }

    mutating func measure(
        _ input: RawSpan, through window: inout Window, limit: Int
    ) throws(DecompressionError) -> Int {
        let context = unsafe started()
        defer { shrink() }
        // SAFETY: as above, with the window, which is lent for the time of the call and written
        // over again and again.
        return try unsafe input.withUnsafeBytes { input throws(DecompressionError) in
            try unsafe window.withBytes { window throws(DecompressionError) in
                var offset = 0
                var total = 0
                while true {
                    let step = unsafe Self.step(context, input, &offset, window, isStable: false)
                    guard let step else { throw .corrupt }
                    total += step.written
                    guard total <= limit else { throw .tooLarge(limit: limit) }
                    if step.endsFrame, offset == input.count { return total }
                    if step.isStuck { throw .truncated }
                }
            }
        }
    }

    private struct Step {
        var written: Int
        var endsFrame: Bool
        /// Neither took nor gave anything.
        var isStuck: Bool
    }

    /// One call of the library; `nil` where the input is corrupt.
    private static func step(
        _ context: OpaquePointer, _ input: UnsafeRawBufferPointer, _ offset: inout Int,
        _ output: UnsafeMutableBufferPointer<UInt8>, isStable: Bool
    ) -> Step? {
        var options = LZ4F_decompressOptions_t()
        options.stableDst = isStable ? 1 : 0
        var taken = input.count - offset
        var written = output.count
        // SAFETY: the caller's buffers hold as many bytes as the counts say.
        let hint = unsafe LZ4F_decompress(
            context, output.baseAddress, &written, input.baseAddress.map { unsafe $0 + offset },
            &taken, &options)
        guard LZ4F_isError(hint) == 0 else { return nil }
        offset += taken
        return Step(
            written: written, endsFrame: hint == 0,
            isStuck: taken == 0 && written == 0 && hint != 0)
    }

    /// A context at the start of a body.
    private mutating func started() -> OpaquePointer {
        if let context = unsafe context {
            unsafe LZ4F_resetDecompressionContext(context)
            return unsafe context
        }
        var made: OpaquePointer?
        let status = unsafe LZ4F_createDecompressionContext(&made, UInt32(LZ4F_VERSION))
        guard LZ4F_isError(status) == 0, let made = unsafe made else {
            fatalError("out of memory: LZ4F_createDecompressionContext")
        }
        unsafe context = made
        return unsafe made
    }

    private mutating func shrink() {
        guard blockBytesMax > Self.retainedBlockBytesMax else { return }
        unsafe LZ4F_freeDecompressionContext(context)
        unsafe context = nil
        blockBytesMax = 0
    }
}
