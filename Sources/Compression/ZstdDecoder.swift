import Bytes
import CZstd

/// Zstandard frames (RFC 8878), by libzstd.
@safe struct ZstdDecoder: BodyDecoder, ~Copyable {
    /// A context without the window that measuring needs. What is more is freed after the call.
    static let retainedBytesMax = 512 << 10

    // SAFETY: either nil or a context that this value alone owns.
    private var context: OpaquePointer?

    init() {
        unsafe context = nil
    }

    deinit {
        unsafe ZSTD_freeDCtx(context)
    }

    /// Walks the frames by their headers, without decoding, and adds up the sizes that they
    /// declare; a frame need not declare one.
    func declaredSize(of input: RawSpan, limit: Int) throws(DecompressionError) -> Int? {
        var offset = 0
        var total: Int? = 0
        while offset < input.byteCount {
            let frame = try ZstdFrame(beginning: input.extracting(offset..<input.byteCount))
            offset += frame.bytes
            switch frame.content {
            case .skippable: continue
            case .undeclared: total = nil
            case .declared(let size):
                // A frame holds at least what it declares or is corrupt: no need to look further.
                guard size <= UInt64(limit) else { throw .tooLarge(limit: limit) }
                total = total.map { $0 + Int(size) }
            }
        }
        if let total, total > limit { throw .tooLarge(limit: limit) }
        return total
    }

    mutating func decode(
        _ input: RawSpan, into output: inout OutputSpan<UInt8>
    ) -> DecodeOutcome {
        let context = unsafe allocatedContext()
        // SAFETY: libzstd reads the input's bytes and writes at most the free part of the output,
        // both of which outlive the call; without an error it returns how many it wrote.
        let result = unsafe input.withUnsafeBytes { input in
            unsafe output.withUnsafeMutableBufferPointer { output, count in
                let free = unsafe UnsafeMutableBufferPointer(rebasing: output[count...])
                let result = unsafe ZSTD_decompressDCtx(
                    context, free.baseAddress, free.count, input.baseAddress, input.count)
                if ZSTD_isError(result) == 0 { count += result }
                return result
            }
        }
        guard ZSTD_isError(result) != 0 else { return .complete }
        return ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall ? .noRoom : .damaged
    }

    mutating func measure(
        _ input: RawSpan, through window: inout Window, limit: Int
    ) throws(DecompressionError) -> Int {
        let context = unsafe allocatedContext()
        defer { shrink() }
        unsafe ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        // SAFETY: libzstd reads the input's bytes and writes to the window's, which it is lent for
        // the time of the call; it knows both lengths.
        return try unsafe input.withUnsafeBytes { input throws(DecompressionError) in
            try unsafe window.withBytes { window throws(DecompressionError) in
                try unsafe Self.count(context, input, window, limit)
            }
        }
    }

    private static func count(
        _ context: OpaquePointer, _ input: UnsafeRawBufferPointer,
        _ window: UnsafeMutableBufferPointer<UInt8>, _ limit: Int
    ) throws(DecompressionError) -> Int {
        var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var total = 0
        while true {
            let consumedBefore = unsafe source.pos
            var target = unsafe ZSTD_outBuffer(dst: window.baseAddress, size: window.count, pos: 0)
            let result = unsafe ZSTD_decompressStream(context, &target, &source)
            guard ZSTD_isError(result) == 0 else { throw error(result) }
            unsafe total += target.pos
            guard total <= limit else { throw .tooLarge(limit: limit) }
            // Zero: a frame is complete and all of it is written.
            if unsafe result == 0 && source.pos == source.size { return total }
            // Neither taken nor given anything: it waits for input that does not come.
            if unsafe target.pos == 0 && source.pos == consumedBefore { throw .truncated }
        }
    }

    private static func error(_ result: Int) -> DecompressionError {
        switch ZSTD_getErrorCode(result) {
        case ZSTD_error_srcSize_wrong: .truncated
        case ZSTD_error_frameParameter_windowTooLarge, ZSTD_error_dictionary_wrong: .unsupported
        case ZSTD_error_memory_allocation: fatalError("out of memory: libzstd")
        default: .corrupt
        }
    }

    private mutating func allocatedContext() -> OpaquePointer {
        if let context = unsafe context { return unsafe context }
        guard let context = unsafe ZSTD_createDCtx() else {
            fatalError("out of memory: ZSTD_createDCtx")
        }
        let result = unsafe ZSTD_DCtx_setParameter(
            context, ZSTD_d_windowLogMax, Int32(Decompressor.zstdWindowLogMax))
        precondition(ZSTD_isError(result) == 0, "BUG: libzstd refuses the window's limit")
        unsafe self.context = context
        return unsafe context
    }

    private mutating func shrink() {
        guard unsafe ZSTD_sizeof_DCtx(context) > Self.retainedBytesMax else { return }
        unsafe ZSTD_freeDCtx(context)
        unsafe context = nil
    }
}
