import Bytes
import CDeflate
import CLZ4
import CSnappy
import CZstd

/// Compresses whole bodies: one gzip member, one zlib stream, one block of snappy or a stream of
/// them, or one frame of Zstandard or LZ4, which declares its size.
///
/// A value belongs to one thread, which reuses it for every body.
@safe public struct Compressor: ~Copyable {
    /// What ``compress(_:)`` writes.
    public let encoding: ContentEncoding
    /// What it was made with: higher levels are slower and a little smaller.
    public let level: Int

    /// The levels that an encoding has. Higher ones than these cost tens of megabytes and gain
    /// next to nothing on telemetry.
    public static func levels(of encoding: ContentEncoding) -> ClosedRange<Int> {
        switch encoding {
        case .identity, .snappy, .snappyFramed, .lz4: 0...0
        case .gzip, .deflate, .zlib, .zstd: 1...9
        }
    }

    /// The fastest level. Batches of 100 spans become 2 to 7 % larger with gzip 1 than with gzip 6,
    /// the Collector's default, in a half to a third of the time, and 3 % larger with zstd 1 than
    /// with zstd 3.
    public static func defaultLevel(of encoding: ContentEncoding) -> Int {
        levels(of: encoding).lowerBound
    }

    @unsafe private enum Library {
        case none
        case deflate(OpaquePointer)
        case zstd(OpaquePointer)
        case snappy
        case lz4
    }

    // SAFETY: made in init, freed in deinit, never handed out.
    private let library: Library
    /// The output before it is copied at its size: room for the worst case is several times that.
    private var scratch: [UInt8] = []

    /// A scratch buffer over this is given back after the call. It is what a body of 1 MiB needs.
    private static let scratchRetainedBytesMax = 1_100_000

    /// `level` must be one of ``levels(of:)``; ``defaultLevel(of:)`` if it is `nil`.
    public init(_ encoding: ContentEncoding, level: Int? = nil) {
        let level = level ?? Self.defaultLevel(of: encoding)
        precondition(Self.levels(of: encoding).contains(level), "BUG: an unchecked level")
        self.encoding = encoding
        self.level = level
        switch encoding {
        case .identity:
            unsafe library = .none
        case .snappy, .snappyFramed:
            unsafe library = .snappy
        case .lz4:
            unsafe library = .lz4
        case .gzip, .deflate, .zlib:
            guard let compressor = unsafe libdeflate_alloc_compressor(Int32(level)) else {
                fatalError("out of memory: libdeflate_alloc_compressor")
            }
            unsafe library = .deflate(compressor)
        case .zstd:
            guard let context = unsafe ZSTD_createCCtx() else {
                fatalError("out of memory: ZSTD_createCCtx")
            }
            unsafe library = .zstd(context)
        }
    }

    deinit {
        switch unsafe library {
        case .none, .snappy, .lz4: break
        case .deflate(let compressor): unsafe libdeflate_free_compressor(compressor)
        case .zstd(let context): unsafe ZSTD_freeCCtx(context)
        }
    }

    /// The memory that it holds at present. libdeflate doesn't tell: its share was measured.
    public var memoryBytes: Int {
        switch unsafe library {
        case .none, .snappy, .lz4: scratch.capacity
        case .deflate: scratch.capacity + (level == 1 ? 202_759 : 668_295)
        case .zstd(let context): unsafe scratch.capacity + ZSTD_sizeof_CCtx(context)
        }
    }

    /// Returns `input` in the encoding, in an array of its own size.
    ///
    /// Needs, while it runs, scratch memory for the worst case: a little more than the input.
    public mutating func compress(_ input: RawSpan) -> [UInt8] {
        var output: [UInt8] = []
        guard encoding != .identity else {
            output.append(input, 0..<input.byteCount)
            return output
        }
        var buffer: [UInt8] = []
        swap(&buffer, &scratch)
        let bound = outputBytesMax(inputBytes: input.byteCount)
        buffer.append(addingCapacity: bound) { output in
            if encoding == .snappyFramed {
                Self.frame(input, into: &output)
            } else {
                write(input, into: &output)
            }
        }
        precondition(!buffer.isEmpty, "BUG: the library's own bound was too small")
        output.append(contentsOf: buffer)
        if buffer.capacity <= Self.scratchRetainedBytesMax {
            buffer.removeAll(keepingCapacity: true)
            swap(&buffer, &scratch)
        }
        return output
    }

    private func outputBytesMax(inputBytes: Int) -> Int {
        switch unsafe library {
        case .none: inputBytes
        case .zstd: ZSTD_compressBound(inputBytes)
        case .lz4:
            unsafe withLZ4Preferences(inputBytes) {
                unsafe LZ4F_compressFrameBound(inputBytes, $0)
            }
        case .snappy:
            if encoding == .snappyFramed {
                SnappyChunks.bytesMax(inputBytes: inputBytes)
            } else {
                snappy_max_compressed_length(inputBytes)
            }
        case .deflate(let compressor):
            if encoding == .gzip {
                unsafe libdeflate_gzip_compress_bound(compressor, inputBytes)
            } else {
                unsafe libdeflate_zlib_compress_bound(compressor, inputBytes)
            }
        }
    }

    private func write(_ input: RawSpan, into output: inout OutputSpan<UInt8>) {
        // SAFETY: the library reads the input's bytes and writes at most the output's, both of
        // which outlive the call, and returns how many it wrote: none on an error.
        unsafe input.withUnsafeBytes { input in
            unsafe output.withUnsafeMutableBufferPointer { output, count in
                switch unsafe library {
                case .none:
                    break
                case .deflate(let compressor) where encoding == .gzip:
                    count = unsafe libdeflate_gzip_compress(
                        compressor, input.baseAddress, input.count,
                        output.baseAddress, output.count)
                case .deflate(let compressor):
                    count = unsafe libdeflate_zlib_compress(
                        compressor, input.baseAddress, input.count,
                        output.baseAddress, output.count)
                case .zstd(let context):
                    let written = unsafe ZSTD_compressCCtx(
                        context, output.baseAddress, output.count,
                        input.baseAddress, input.count, Int32(level))
                    count = ZSTD_isError(written) == 0 ? written : 0
                case .snappy:
                    count = unsafe Self.writeBlock(UnsafeRawBufferPointer(input), output)
                case .lz4:
                    let written = unsafe withLZ4Preferences(input.count) { preferences in
                        unsafe LZ4F_compressFrame(
                            output.baseAddress, output.count, input.baseAddress, input.count,
                            preferences)
                    }
                    count = LZ4F_isError(written) == 0 ? written : 0
                }
            }
        }
    }
}

// MARK: - LZ4

extension Compressor {
    /// Blocks of 256 KiB, the content's size and its checksum.
    private func withLZ4Preferences<Result>(
        _ inputBytes: Int, _ body: (UnsafePointer<LZ4F_preferences_t>) -> Result
    ) -> Result {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max256KB
        preferences.frameInfo.contentSize = UInt64(inputBytes)
        preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
        // SAFETY: the structure outlives the call, which reads it.
        return unsafe withUnsafePointer(to: preferences) { unsafe body($0) }
    }
}

// MARK: - Snappy

extension Compressor {
    /// The input in chunks of 64 KiB, each compressed where that makes it smaller.
    private static func frame(_ input: RawSpan, into output: inout OutputSpan<UInt8>) {
        for byte in SnappyChunks.identifier { output.append(byte) }
        var offset = 0
        while offset < input.byteCount {
            let end = min(offset + SnappyChunks.chunkBytesMax, input.byteCount)
            chunk(input.extracting(offset..<end), into: &output)
            offset = end
        }
    }

    private static func chunk(_ piece: RawSpan, into output: inout OutputSpan<UInt8>) {
        let block = [UInt8](capacity: snappy_max_compressed_length(piece.byteCount)) { block in
            // SAFETY: as in `write`.
            unsafe piece.withUnsafeBytes { piece in
                unsafe block.withUnsafeMutableBufferPointer { block, count in
                    count = unsafe writeBlock(piece, block)
                }
            }
        }
        let isCompressed = block.count < piece.byteCount
        let length = 4 + min(block.count, piece.byteCount)
        let checksum = SnappyChunks.checksum(of: piece)
        output.append(isCompressed ? 0 : 1)
        for shift in [0, 8, 16] { output.append(UInt8(truncatingIfNeeded: length >> shift)) }
        for shift in [0, 8, 16, 24] as [UInt32] {
            output.append(UInt8(truncatingIfNeeded: checksum >> shift))
        }
        if isCompressed {
            for byte in block { output.append(byte) }
        } else {
            for offset in piece.byteOffsets { output.append(piece.byte(at: offset)) }
        }
    }

    /// Returns how many bytes the block has; 0 where the output has no room.
    private static func writeBlock(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        var written = output.count
        // SAFETY: the caller's buffers hold as many bytes as the counts say; libsnappy writes only
        // where there is room for the worst case.
        let status = unsafe snappy_compress(
            input.baseAddress?.assumingMemoryBound(to: CChar.self), input.count,
            UnsafeMutableRawPointer(output.baseAddress)?.assumingMemoryBound(to: CChar.self),
            &written)
        return status == SNAPPY_OK ? written : 0
    }
}
