import Bytes
import CDeflate

/// gzip, zlib and raw DEFLATE: libdeflate decodes (2.6 times as fast as zlib, but it wants room
/// for the whole output), zlib measures.
@safe struct DeflateDecoder: BodyDecoder, ~Copyable {
    enum Container {
        case gzip
        case zlib
        case raw

        /// What a body is that its sender calls `deflate`.
        ///
        /// A zlib header (RFC 1950, section 2.2) names method 8 and a window of at most 32 KiB,
        /// and is a multiple of 31. Raw DEFLATE doesn't look like it: its first block would have
        /// to be a stored one with padding that is not zero, which no encoder writes.
        static func ofDeflate(_ input: RawSpan) -> Container {
            guard input.byteCount >= 2 else { return .zlib }
            let method = input.byte(at: 0)
            let header = Int(method) << 8 | Int(input.byte(at: 1))
            let isZlib = method & 0x0F == 8 && method >> 4 <= 7 && header.isMultiple(of: 31)
            return isZlib ? .zlib : .raw
        }
    }

    /// libdeflate's decoding tables and ``InflateCounter``.
    static let bytesMax = (16 << 10) + InflateCounter.bytesMax

    /// What the next call finds in its input.
    var container = Container.gzip

    // SAFETY: made in init, freed in deinit, never handed out.
    private let decompressor: OpaquePointer
    private var counter = InflateCounter()

    init() {
        guard let decompressor = unsafe libdeflate_alloc_decompressor() else {
            fatalError("out of memory: libdeflate_alloc_decompressor")
        }
        unsafe self.decompressor = decompressor
    }

    deinit {
        unsafe libdeflate_free_decompressor(decompressor)
    }

    /// The last four bytes of a gzip member are its size modulo 2^32 (RFC 1952, section 2.3.1):
    /// a hint only, for there may be several members, or a body cut short.
    func declaredSize(of input: RawSpan, limit: Int) -> Int? {
        guard container == .gzip, input.byteCount >= Self.gzipMemberBytesMin else { return nil }
        return Int(input.littleEndian32(at: input.byteCount - 4))
    }

    func decode(_ input: RawSpan, into output: inout OutputSpan<UInt8>) -> DecodeOutcome {
        var offset = 0
        repeat {
            let member = input.extracting(offset..<input.byteCount)
            var consumed = 0
            switch decodeMember(member, into: &output, consumed: &consumed) {
            case LIBDEFLATE_SUCCESS: offset += consumed
            case LIBDEFLATE_INSUFFICIENT_SPACE: return .noRoom
            default: return .damaged
            }
        } while container == .gzip && offset < input.byteCount
        return offset == input.byteCount ? .complete : .damaged
    }

    mutating func measure(
        _ input: RawSpan, through window: inout Window, limit: Int
    ) throws(DecompressionError) -> Int {
        try counter.measure(input, container, through: &window, limit: limit)
    }

    private func decodeMember(
        _ input: RawSpan, into output: inout OutputSpan<UInt8>, consumed: inout Int
    ) -> libdeflate_result {
        // SAFETY: libdeflate reads the input's bytes and writes at most the free part of the
        // output, both of which outlive the call; on success it reports how many it wrote.
        unsafe input.withUnsafeBytes { input in
            unsafe output.withUnsafeMutableBufferPointer { output, count in
                let free = UnsafeMutableRawBufferPointer(output)
                let start = unsafe free.baseAddress.map { unsafe $0 + count }
                let room = free.count - count
                var written = 0
                let result =
                    switch container {
                    case .gzip:
                        unsafe libdeflate_gzip_decompress_ex(
                            decompressor, input.baseAddress, input.count, start, room,
                            &consumed, &written)
                    case .zlib:
                        unsafe libdeflate_zlib_decompress_ex(
                            decompressor, input.baseAddress, input.count, start, room,
                            &consumed, &written)
                    case .raw:
                        unsafe libdeflate_deflate_decompress_ex(
                            decompressor, input.baseAddress, input.count, start, room,
                            &consumed, &written)
                    }
                if result == LIBDEFLATE_SUCCESS { count += written }
                return result
            }
        }
    }

    /// A header of 10 bytes, an empty block of 2 at least, a trailer of 8.
    private static let gzipMemberBytesMin = 18
}
