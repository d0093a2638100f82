import Bytes
import Compression
import Synchronization

/// Compression contexts, which cost up to 700 KB each, for an exporter's consumers: as many as
/// ever compressed at once.
final class CompressorPool: Sendable {
    /// Belongs to whoever took it out of the pool.
    // SAFETY: the pool hands a box to one thread at a time, and keeps no reference meanwhile.
    private final class Box: @unchecked Sendable {
        var compressor: Compressor
        init(_ compressor: consuming Compressor) { self.compressor = compressor }
    }

    private let encoding: ContentEncoding
    private let level: Int?
    private let idle = Mutex<[Box]>([])

    init(_ encoding: ContentEncoding, level: Int?) {
        self.encoding = encoding
        self.level = level
    }

    /// Lets go of the contexts that nobody uses now.
    func trim() { idle.withLock { $0 = [] } }

    /// Makes one piece of several, unless there is nothing to compress.
    func compress(_ body: [[UInt8]]) -> [[UInt8]] {
        guard encoding != .identity else { return body }
        let whole = body.joinedBytes()
        let box = idle.withLock { $0.popLast() } ?? Box(Compressor(encoding, level: level))
        defer { idle.withLock { $0.append(box) } }
        return [box.compressor.compress(whole.rawSpan)]
    }
}

extension [[UInt8]] {
    /// All pieces as one array; the only piece is not copied.
    func joinedBytes() -> [UInt8] {
        guard count != 1 else { return self[0] }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(reduce(0) { $0 + $1.count })
        for piece in self { bytes += piece }
        return bytes
    }
}
