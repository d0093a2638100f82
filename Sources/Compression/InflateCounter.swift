import CZlib

/// Counts what a DEFLATE body holds, or finds out what is wrong with it, with zlib's streaming
/// decoder: the output goes into a window that is overwritten again and again.
@safe struct InflateCounter: ~Copyable {
    /// zlib's state and its own window of 32 KiB (zlib's zconf.h gives both).
    static let bytesMax = 48 << 10

    // SAFETY: zlib's state points back at this structure, which therefore has an allocation of
    // its own. Either nil or initialised by inflateInit2_ and owned by this value alone.
    private var stream: UnsafeMutablePointer<z_stream>?

    init() {
        unsafe stream = nil
    }

    deinit {
        guard let stream = unsafe stream else { return }
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    mutating func measure(
        _ input: RawSpan, _ container: DeflateDecoder.Container, through window: inout Window,
        limit: Int
    ) throws(DecompressionError) -> Int {
        let stream = unsafe started(container)
        // SAFETY: zlib reads the input's bytes and writes to the window's, which it is lent for
        // the time of the call; it knows both lengths.
        return try unsafe input.withUnsafeBytes { input throws(DecompressionError) in
            try unsafe window.withBytes { window throws(DecompressionError) in
                try unsafe Self.count(stream, input, container, window, limit)
            }
        }
    }

    private static func count(
        _ stream: UnsafeMutablePointer<z_stream>, _ input: UnsafeRawBufferPointer,
        _ container: DeflateDecoder.Container, _ window: UnsafeMutableBufferPointer<UInt8>,
        _ limit: Int
    ) throws(DecompressionError) -> Int {
        var offset = 0
        var total = 0
        var isAtStart = true
        while true {
            // zlib wants two bytes before it judges; garbage may be a single one.
            if isAtStart, container == .gzip, unsafe input[offset] != gzipFirstByte {
                throw .corrupt
            }
            // A round consumes input, or produces output, or leaves the loop.
            let offered = min(input.count - offset, inputBytesPerRoundMax)
            unsafe stream.pointee.next_in = UnsafeMutablePointer(
                mutating: input.baseAddress?.advanced(by: offset)
                    .assumingMemoryBound(to: UInt8.self))
            unsafe stream.pointee.avail_in = UInt32(offered)
            unsafe stream.pointee.next_out = window.baseAddress
            unsafe stream.pointee.avail_out = UInt32(window.count)

            let status = unsafe inflate(stream, Z_NO_FLUSH)

            offset += unsafe offered - Int(stream.pointee.avail_in)
            total += unsafe window.count - Int(stream.pointee.avail_out)
            guard total <= limit else { throw .tooLarge(limit: limit) }
            isAtStart = status == Z_STREAM_END
            switch status {
            case Z_OK: continue
            case Z_STREAM_END:
                if offset == input.count { return total }
                guard container == .gzip else { throw .corrupt }
                unsafe inflateReset(stream)
            case Z_BUF_ERROR: throw .truncated
            case Z_NEED_DICT: throw .unsupported
            case Z_MEM_ERROR: fatalError("out of memory: inflate")
            default: throw .corrupt
            }
        }
    }

    /// A stream at the start of a body. `windowBits` is zlib's way to name the container.
    private mutating func started(
        _ container: DeflateDecoder.Container
    ) -> UnsafeMutablePointer<z_stream> {
        let windowBits: Int32 =
            switch container {
            case .gzip: MAX_WBITS + 16
            case .zlib: MAX_WBITS
            case .raw: -MAX_WBITS
            }
        if let stream = unsafe stream {
            let status = unsafe inflateReset2(stream, windowBits)
            precondition(status == Z_OK, "BUG: zlib refuses to begin again")
            return unsafe stream
        }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let status = unsafe inflateInit2_(
            stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { fatalError("out of memory: inflateInit2_") }
        unsafe self.stream = stream
        return unsafe stream
    }

    /// RFC 1952, section 2.3.1: ID1.
    private static let gzipFirstByte: UInt8 = 0x1F

    /// zlib counts its input in 32 bits.
    private static let inputBytesPerRoundMax = 1 << 30
}
