import Bytes

/// Decompresses whole bodies without ever holding more than the limit, however the body lies
/// about its size.
///
/// The output is allocated once, at its exact size:
/// 1. A size that the body declares and that is plausible for its length is allocated at once.
/// 2. Otherwise the body is decoded into a fixed window, and copied out when it fits.
/// 3. Otherwise it is measured: a streaming pass overwrites the window again and again and only
///    counts, up to the limit. What passes is then allocated and decoded a second time.
///
/// So a bomb costs the time to decode `limit` bytes and no memory. An event loop that must not
/// stall that long calls with a small limit first, and hands what is `tooLarge` to another thread.
///
/// A value belongs to one thread, which reuses it for every body.
public struct Decompressor: ~Copyable {
    /// The largest window a Zstandard frame may ask for when its size has to be measured. RFC 9659
    /// obliges senders of this content coding to stay within it.
    public static let zstdWindowBytesMax = 1 << zstdWindowLogMax

    /// The most memory that a decompressor holds between two calls.
    public static let retainedBytesMax =
        Window.bytes + DeflateDecoder.bytesMax + ZstdDecoder.retainedBytesMax
        + LZ4Decoder.retainedBytesMax

    /// The most memory that a decompressor needs besides the output: the above, and while a
    /// Zstandard body is measured its window and three blocks of at most 128 KiB, or the buffers
    /// for the largest blocks of LZ4.
    public static let workingBytesMax =
        retainedBytesMax
        + max(zstdWindowBytesMax + 3 * (128 << 10), LZ4Decoder.workingBytesMax)

    static let zstdWindowLogMax = 23

    /// How many times its length a body may declare to hold and be believed at once. Telemetry
    /// shrinks 5 to 20 times; more is possible, and measured first.
    static let plausibleRatio = 64

    private var window = Window()
    private var deflate = DeflateDecoder()
    private var zstd = ZstdDecoder()
    private var snappy = SnappyDecoder()
    private var lz4 = LZ4Decoder()

    public init() {}

    /// Returns what `input` holds.
    ///
    /// - Parameters:
    ///   - limit: the most bytes to return.
    ///   - reserve: asked before bytes are allocated for the output, each time with the number of
    ///     bytes that come on top of what it granted before. On `false` the call ends with
    ///     ``DecompressionError/overBudget(bytes:)``. The caller gives back what it granted: the
    ///     whole sum when an error is thrown, the excess over the output's length otherwise.
    public mutating func decompress(
        _ input: RawSpan, _ encoding: ContentEncoding, limit: Int,
        reserve: (_ bytes: Int) -> Bool = { _ in true }
    ) throws(DecompressionError) -> [UInt8] {
        precondition(limit >= 0, "a limit is a number of bytes")
        switch encoding {
        case .identity:
            guard input.byteCount <= limit else { throw .tooLarge(limit: limit) }
            guard reserve(input.byteCount) else { throw .overBudget(bytes: input.byteCount) }
            var copy: [UInt8] = []
            copy.append(input, 0..<input.byteCount)
            return copy
        case .gzip:
            deflate.container = .gzip
            return try Self.decompress(input, &deflate, &window, limit, reserve)
        case .deflate, .zlib:
            deflate.container = .ofDeflate(input)
            return try Self.decompress(input, &deflate, &window, limit, reserve)
        case .zstd:
            return try Self.decompress(input, &zstd, &window, limit, reserve)
        case .snappy:
            snappy.format = .ofSnappy(input)
            return try Self.decompress(input, &snappy, &window, limit, reserve)
        case .snappyFramed:
            // Encoders begin a stream with its first chunk, so that of nothing there is nothing.
            if input.isEmpty { return [] }
            snappy.format = .framed
            return try Self.decompress(input, &snappy, &window, limit, reserve)
        case .lz4:
            return try Self.decompress(input, &lz4, &window, limit, reserve)
        }
    }

    /// As above. A body that is not encoded is returned itself, without a copy or a reservation.
    public mutating func decompress(
        _ input: [UInt8], _ encoding: ContentEncoding, limit: Int,
        reserve: (_ bytes: Int) -> Bool = { _ in true }
    ) throws(DecompressionError) -> [UInt8] {
        guard encoding == .identity else {
            return try decompress(input.rawSpan, encoding, limit: limit, reserve: reserve)
        }
        guard input.count <= limit else { throw .tooLarge(limit: limit) }
        return input
    }

    private static func decompress(
        _ input: RawSpan, _ decoder: inout some BodyDecoder & ~Copyable, _ window: inout Window,
        _ limit: Int, _ reserve: (Int) -> Bool
    ) throws(DecompressionError) -> [UInt8] {
        guard !input.isEmpty else { throw .truncated }
        var granted = 0
        if let size = try decoder.declaredSize(of: input, limit: limit),
            size <= limit, size / plausibleRatio <= input.byteCount
        {
            guard reserve(size) else { throw .overBudget(bytes: size) }
            granted = size
            if let output = decode(input, &decoder, capacity: size) { return output }
        } else if let count = window.decode(input, &decoder) {
            guard count <= limit else { throw .tooLarge(limit: limit) }
            guard reserve(count) else { throw .overBudget(bytes: count) }
            return window.copy(count)
        }
        let size = try decoder.measure(input, through: &window, limit: limit)
        guard size <= granted || reserve(size - granted) else { throw .overBudget(bytes: size) }
        guard let output = decode(input, &decoder, capacity: size) else { throw .corrupt }
        return output
    }

    /// Returns `nil` when the input does not decode, or not into `capacity` bytes.
    private static func decode(
        _ input: RawSpan, _ decoder: inout some BodyDecoder & ~Copyable, capacity: Int
    ) -> [UInt8]? {
        var outcome = DecodeOutcome.damaged
        // The libraries want an address even where there is nothing to write: one byte at least.
        let output = [UInt8](capacity: max(capacity, 1)) { output in
            outcome = decoder.decode(input, into: &output)
        }
        return outcome == .complete ? output : nil
    }
}
