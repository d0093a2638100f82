internal import Glibc

/// Bytes on their way to a file or from it, in memory that a disk can take them from and put them
/// into: it begins at a block, and what is written or read are whole blocks.
@safe public final class BlockBuffer {
    /// What files are written in past the page cache. Disks have blocks of 512 or 4,096 bytes.
    public static let blockBytes = 4096

    // SAFETY: `start` is this buffer's own allocation of `capacity` bytes, of which the first
    // `count` were written to; nobody has it behind the end of a call.
    private var start: UnsafeMutableRawPointer
    private var capacity: Int
    private let capacityMax: Int
    /// Bytes that have gathered.
    public private(set) var count = 0

    /// So much until more comes at once.
    private static let capacityAtFirst = 64 << 10
    /// Of the processors' large pages, most of them: for the kernel memory is cheaper to hand to a
    /// disk where it is one page.
    private static let largePageBytes = 2 << 20

    /// - Parameter capacityMax: a multiple of a block; at least 64 KiB.
    public init(capacityMax: Int) {
        precondition(
            capacityMax >= Self.capacityAtFirst && capacityMax % Self.blockBytes == 0,
            "BUG: a buffer for blocks is not whole blocks")
        self.capacityMax = capacityMax
        capacity = Self.capacityAtFirst
        unsafe start = .allocate(byteCount: capacity, alignment: Self.blockBytes)
    }

    deinit { unsafe start.deallocate() }

    public var isFull: Bool { count == capacityMax }

    /// Takes as many of the bytes as there is room for; returns how many.
    public func append(_ bytes: RawSpan) -> Int {
        if count + bytes.byteCount > capacity, capacity < capacityMax { grow() }
        let taken = min(bytes.byteCount, capacity - count)
        // SAFETY: `taken` bytes are in the span, and there is room for them behind `count`.
        unsafe bytes.withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            unsafe (start + count).copyMemory(from: source, byteCount: taken)
        }
        count += taken
        return taken
    }

    /// Lends what has gathered, with zeros behind it up to the end of a block.
    public func withBlocks<Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let end = (count + Self.blockBytes - 1) / Self.blockBytes * Self.blockBytes
        // SAFETY: the capacity is whole blocks, so that `end` is within it.
        unsafe (start + count).initializeMemory(as: UInt8.self, repeating: 0, count: end - count)
        try unsafe body(UnsafeRawBufferPointer(start: start, count: end).bytes)
    }

    /// Lets go of the whole blocks; what follows them is at the beginning now. Returns how many
    /// bytes went.
    public func removeBlocks() -> Int {
        let rest = count % Self.blockBytes
        let gone = count - rest
        // SAFETY: both places are within what was written to; they do not overlap, as the first is
        // shorter than a block, and the second begins behind one, unless nothing moves.
        if gone > 0 { unsafe start.copyMemory(from: start + gone, byteCount: rest) }
        count = rest
        return gone
    }

    public func removeAll() { count = 0 }

    /// Appends at most `count` bytes of a file, from `offset` on, to `bytes`; returns how many, 0
    /// at the end of the file. What had gathered here is gone.
    public func read(
        _ file: borrowing FileDescriptor, at offset: Int, upTo count: Int,
        appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> Int {
        self.count = 0
        if capacity < capacityMax { grow() }
        let skipped = offset % Self.blockBytes
        let blocks = (skipped + count + Self.blockBytes - 1) / Self.blockBytes
        let raw = file.rawValue
        let wanted = min(blocks * Self.blockBytes, capacity)
        // SAFETY: pread writes at most `wanted` bytes, for which there is room, and says how many.
        let read = try systemCall("pread") { unsafe pread(raw, start, wanted, offset - skipped) }
        let found = max(0, min(read - skipped, count))
        // SAFETY: `read` bytes were written to, and these are among them.
        let rest = unsafe UnsafeRawBufferPointer(start: start + skipped, count: found)
        unsafe bytes.append(contentsOf: rest)
        return found
    }

    private func grow() {
        // SAFETY: the new memory is larger than the old, which goes when it was copied. Advice on
        // memory that is this buffer's own changes nothing but its pages.
        let larger = UnsafeMutableRawPointer.allocate(
            byteCount: capacityMax, alignment: min(capacityMax, Self.largePageBytes))
        _ = unsafe madvise(larger, capacityMax, MADV_HUGEPAGE)
        unsafe larger.copyMemory(from: start, byteCount: count)
        unsafe start.deallocate()
        unsafe start = larger
        capacity = capacityMax
    }
}
