import Bytes

/// The growing output of the JSON codec: an audited island of raw memory, because stores through
/// spans and arrays cost twice a pointer's.
///
/// SAFETY: `base` points to `capacity + overrun` bytes that this value owns alone, and
/// `count <= capacity` always holds. Every method first makes room for what it writes, and whole
/// words may run up to `overrun` bytes past it, which no one reads.
@safe
struct CodecBuffer: ~Copyable {
    /// Bytes past the capacity that a store of whole words may touch.
    static let overrun = 32
    /// What stays allocated between uses; more, which only a large request needs, is given back.
    static let keptBytesMax = 1 << 20
    /// The largest body that moves when its length turns out to need more bytes, or fewer: it is in
    /// the first-level cache, having just been written.
    static let movedBytesMax = 4 << 10

    private(set) var count = 0
    /// The most bytes that the buffer may come to hold.
    private(set) var limit: Int
    private var capacity: Int
    private var base: UnsafeMutableRawPointer
    /// Lengths that need another number of bytes than was left for them, and stand before bodies
    /// too large to be moved at once; see `settleLengths`.
    private var deferred = DeferredLengths()

    init(limit: Int = .max, capacity: Int = 0) {
        self.limit = limit
        self.capacity = min(capacity, limit)
        unsafe base = UnsafeMutableRawPointer.allocate(
            byteCount: self.capacity + CodecBuffer.overrun, alignment: 16)
    }

    deinit { unsafe base.deallocate() }

    /// Empties the buffer for a new output of at most `limit` bytes, of which `expected` are
    /// likely.
    mutating func start(limit: Int, expecting expected: Int) {
        count = 0
        deferred.removeAll()
        self.limit = limit
        // A capacity past the limit would let output past it.
        let wanted = min(expected, limit)
        if capacity > limit || capacity < wanted { move(toCapacity: wanted) }
    }

    /// Whether the buffer is small enough to be kept for the next output.
    var isWorthKeeping: Bool { capacity <= CodecBuffer.keptBytesMax }

    /// Forgets what was written past `count`, an earlier value of the property.
    mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "BUG: a buffer is cut beyond its end")
        self.count = count
    }

    /// Makes room for `bytes` more, or throws at the limit.
    @inline(__always)
    mutating func reserve(_ bytes: Int) throws(CodecFault) {
        if _slowPath(capacity &- count < bytes) { try grow(by: bytes) }
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) throws(CodecFault) {
        try reserve(1)
        unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    /// Appends the lowest `bytes` bytes of `word`; 0 to 8.
    @inline(__always)
    mutating func append(word: UInt64, bytes: Int) throws(CodecFault) {
        try reserve(bytes)
        unsafe base.storeBytes(of: word.littleEndian, toByteOffset: count, as: UInt64.self)
        count &+= bytes
    }

    /// Appends the lowest `bytes` bytes of three words; 0 to 24.
    @inline(__always)
    mutating func append(
        words: (UInt64, UInt64, UInt64), bytes: Int
    ) throws(CodecFault) {
        try reserve(bytes)
        unsafe base.storeBytes(of: words.0.littleEndian, toByteOffset: count, as: UInt64.self)
        unsafe base.storeBytes(of: words.1.littleEndian, toByteOffset: count &+ 8, as: UInt64.self)
        unsafe base.storeBytes(of: words.2.littleEndian, toByteOffset: count &+ 16, as: UInt64.self)
        count &+= bytes
    }

    @inline(__always)
    mutating func append(varint value: UInt64) throws(CodecFault) {
        try reserve(Varint.bytesMax)
        var rest = value
        while rest >= 0x80 {
            unsafe base.storeBytes(
                of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
            count &+= 1
            rest >>= 7
        }
        unsafe base.storeBytes(
            of: UInt8(truncatingIfNeeded: rest), toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    /// Appends a field's tag and the length of what follows.
    @inline(__always)
    mutating func append(tag: UInt16, tagBytes: Int, length: Int) throws(CodecFault) {
        guard length < 0x80 else {
            try append(word: UInt64(tag), bytes: tagBytes)
            return try append(varint: UInt64(truncatingIfNeeded: length))
        }
        let shift = UInt64(truncatingIfNeeded: tagBytes &* 8)
        try append(
            word: UInt64(tag) | UInt64(truncatingIfNeeded: length) &<< shift, bytes: tagBytes &+ 1)
    }

    /// Appends `source[start..<end]`; traps outside the source.
    @inline(__always)
    mutating func append(_ source: RawSpan, from start: Int, to end: Int) throws(CodecFault) {
        let bytes = end &- start
        precondition(start >= 0 && bytes >= 0 && end <= source.byteCount, "BUG: a bad range")
        try reserve(bytes)
        if bytes <= 64, start &+ 64 <= source.byteCount {
            // Words, the last of which runs over: up to 7 bytes, less than `overrun`.
            var offset = 0
            let target = unsafe base + count
            while offset < bytes {
                // SAFETY: the last word starts before byte 64, and 64 bytes are in the source.
                unsafe target.storeBytes(
                    of: source.uncheckedWord(at: start &+ offset).littleEndian,
                    toByteOffset: offset, as: UInt64.self)
                offset &+= 8
            }
        } else {
            let target = unsafe base + count
            unsafe source.withUnsafeBytes { memory in
                guard let from = memory.baseAddress else { return }
                unsafe target.copyMemory(from: from + start, byteCount: bytes)
            }
        }
        count &+= bytes
    }

    /// Appends the bytes of `text`.
    mutating func append(_ text: StaticString) throws(CodecFault) {
        let bytes = text.utf8CodeUnitCount
        try reserve(bytes)
        unsafe (base + count).copyMemory(from: text.utf8Start, byteCount: bytes)
        count &+= bytes
    }

    /// Appends a tag and leaves `width` bytes for the length of what follows.
    @inline(__always)
    mutating func openLength(
        tag: UInt16, tagBytes: Int, width: Int
    ) throws(CodecFault) -> Int {
        try reserve(tagBytes &+ width)
        unsafe base.storeBytes(of: tag.littleEndian, toByteOffset: count, as: UInt16.self)
        count &+= tagBytes &+ width
        return count
    }

    /// Leaves `width` bytes for a length that is not known yet.
    @inline(__always)
    mutating func openLength(width: Int) throws(CodecFault) -> Int {
        try reserve(width)
        count &+= width
        return count
    }

    /// Writes the length of what was appended since `openLength(width:)` returned `start`. When the
    /// length needs another number of bytes, a small body moves; before a large one the length is
    /// put off until `settleLengths`. Returns the number of bytes that it needs.
    @inline(__always)
    @discardableResult
    mutating func closeLength(from start: Int, width: Int) throws(CodecFault) -> Int {
        let bytes = count &- start
        // A body with a length in it that was put off is larger than that.
        if width == 1, bytes < 0x80 {
            unsafe base.storeBytes(
                of: UInt8(truncatingIfNeeded: bytes), toByteOffset: start &- 1, as: UInt8.self)
            return 1
        }
        return try closeLongLength(from: start, width: width)
    }

    @inline(never)
    private mutating func closeLongLength(
        from start: Int, width: Int
    ) throws(CodecFault) -> Int {
        let bytes = count &- start
        let length = bytes + deferred.growth(since: start)
        let needed = Varint.size(UInt64(truncatingIfNeeded: length))
        if needed != width {
            guard bytes <= CodecBuffer.movedBytesMax else {
                deferred.append(offset: start - width, width: width, length: length)
                guard count + deferred.growth <= limit else {
                    throw CodecFault(.outputLimit, at: 0)
                }
                return needed
            }
            try moveBody(from: start, by: needed &- width)
        }
        store(varint: UInt64(truncatingIfNeeded: length), at: start &- width)
        return needed
    }

    private mutating func store(varint value: UInt64, at start: Int) {
        var offset = start
        var rest = value
        while rest >= 0x80 {
            unsafe base.storeBytes(
                of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: offset, as: UInt8.self)
            offset &+= 1
            rest >>= 7
        }
        unsafe base.storeBytes(
            of: UInt8(truncatingIfNeeded: rest), toByteOffset: offset, as: UInt8.self)
    }

    /// Writes the lengths that were put off, in one pass over the output. To move a body whenever
    /// its length is closed would cost its size once for each message around it, and messages nest
    /// 400 deep. Nothing else may be read before.
    mutating func settleLengths() throws(CodecFault) {
        guard !deferred.isEmpty else { return }
        if deferred.growth > 0 { try reserve(deferred.growth) }
        let lengths = deferred.inOrder()
        // What stands between two lengths moves as one, by what all lengths before it grow. Parts
        // that move left go first to last and parts that move right last to first, so that none is
        // overwritten before it has moved. SAFETY: sources end at `count`, targets at `count` and
        // the growth, for which there is room.
        var moves: [(source: Int, bytes: Int, shift: Int)] = []
        var shift = 0
        for (index, length) in lengths.enumerated() {
            shift += length.growth
            let start = length.offset + length.width
            let end = index + 1 < lengths.count ? lengths[index + 1].offset : count
            moves.append((start, end - start, shift))
        }
        for move in moves where move.shift < 0 { moveBytes(move) }
        for move in moves.reversed() where move.shift > 0 { moveBytes(move) }
        shift = 0
        for length in lengths {
            store(varint: UInt64(truncatingIfNeeded: length.length), at: length.offset + shift)
            shift += length.growth
        }
        count += shift
        deferred.removeAll()
    }

    private mutating func moveBytes(_ move: (source: Int, bytes: Int, shift: Int)) {
        unsafe (base + move.source + move.shift).copyMemory(
            from: base + move.source, byteCount: move.bytes)
    }

    /// What was written, until it is written to again.
    var written: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let memory = unsafe UnsafeRawBufferPointer(start: base, count: count)
            return unsafe _overrideLifetime(RawSpan(_unsafeBytes: memory), borrowing: self)
        }
    }

    /// What was written, copied.
    var bytes: [UInt8] {
        precondition(deferred.isEmpty, "BUG: an output is read without its lengths")
        return unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Appends what was written to `target`.
    func append(to target: inout [UInt8]) {
        unsafe target.append(contentsOf: UnsafeRawBufferPointer(start: base, count: count))
    }

    @inline(never)
    private mutating func moveBody(from start: Int, by shift: Int) throws(CodecFault) {
        if shift > 0 { try reserve(shift) }
        unsafe (base + start + shift).copyMemory(from: base + start, byteCount: count - start)
        count += shift
    }

    @inline(never)
    private mutating func grow(by bytes: Int) throws(CodecFault) {
        guard bytes <= limit - count else { throw CodecFault(.outputLimit, at: 0) }
        // Half as much again keeps the copies linear in the output.
        let (half, overflow) = capacity.addingReportingOverflow(capacity / 2)
        move(toCapacity: min(limit, max(overflow ? limit : half, count + bytes, 512)))
    }

    private mutating func move(toCapacity capacity: Int) {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: capacity + CodecBuffer.overrun, alignment: 16)
        unsafe memory.copyMemory(from: base, byteCount: count)
        unsafe base.deallocate()
        unsafe base = memory
        self.capacity = capacity
    }
}
