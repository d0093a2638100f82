import Bytes
internal import Glibc

/// The growing output that rows and their JSON are written to: an audited island of raw memory,
/// because stores through arrays cost twice a pointer's.
///
/// SAFETY: `base` points to `capacity + overrun` bytes that this value owns alone, and
/// `count <= capacity` always holds. Every method first makes room for what it writes, and whole
/// words may run up to `overrun` bytes past it, which no one reads.
@safe
struct OutputBuffer: ~Copyable {
    /// Bytes past the capacity that a store of a whole word may touch.
    static let overrun = 16

    private(set) var count = 0
    private(set) var capacity: Int
    private var base: UnsafeMutableRawPointer

    init(capacity: Int = 512) {
        self.capacity = capacity
        unsafe base = OutputBuffer.block(nil, capacity: capacity)
    }

    deinit { unsafe free(base) }

    /// Forgets what was written; memory past `keptBytesMax` is given back.
    mutating func removeAll(keptBytesMax: Int = .max) {
        count = 0
        if capacity > keptBytesMax { move(toCapacity: keptBytesMax) }
    }

    /// Forgets what was written past `count`, an earlier value of the property.
    mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "BUG: a buffer is cut beyond its end")
        self.count = count
    }

    @inline(__always)
    mutating func reserve(_ bytes: Int) {
        if _slowPath(capacity &- count < bytes) { grow(by: bytes) }
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    /// Appends the lowest `bytes` bytes of `word`, the lowest first; 0 to 8.
    @inline(__always)
    mutating func append(word: UInt64, bytes: Int) {
        reserve(bytes)
        unsafe base.storeBytes(of: word.littleEndian, toByteOffset: count, as: UInt64.self)
        count &+= bytes
    }

    /// Appends an integer, its most significant byte first.
    @inline(__always)
    mutating func append<Integer: FixedWidthInteger & BitwiseCopyable>(bigEndian value: Integer) {
        reserve(MemoryLayout<Integer>.size)
        unsafe base.storeBytes(of: value.bigEndian, toByteOffset: count, as: Integer.self)
        count &+= MemoryLayout<Integer>.size
    }

    /// Appends two integers, each with its most significant byte first.
    @inline(__always)
    mutating func append<Integer: FixedWidthInteger & BitwiseCopyable>(
        bigEndian first: UInt32, _ second: Integer
    ) {
        reserve(4 &+ MemoryLayout<Integer>.size)
        let target = unsafe base + count
        unsafe target.storeBytes(of: first.bigEndian, as: UInt32.self)
        unsafe target.storeBytes(of: second.bigEndian, toByteOffset: 4, as: Integer.self)
        count &+= 4 &+ MemoryLayout<Integer>.size
    }

    /// Puts an integer, most significant byte first, over four bytes that were appended before.
    @inline(__always)
    mutating func replace(at offset: Int, bigEndian value: UInt32) {
        precondition(offset >= 0 && offset &+ 4 <= count, "BUG: a length outside the buffer")
        unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Punctuation and names, which cost a store or two where they are inlined.
    @inline(__always)
    mutating func append(_ literal: StaticString) {
        let bytes = literal.utf8CodeUnitCount
        reserve(bytes)
        // SAFETY: a static string's bytes live as long as the process.
        unsafe (base + count).copyMemory(from: literal.utf8Start, byteCount: bytes)
        count &+= bytes
    }

    /// Appends `source[start..<end]`; traps outside the source.
    @inline(__always)
    mutating func append(_ source: RawSpan, from start: Int, to end: Int) {
        let bytes = end &- start
        precondition(start >= 0 && bytes >= 0 && end <= source.byteCount, "BUG: a bad range")
        reserve(bytes)
        let target = unsafe base + count
        unsafe source.withUnsafeBytes { memory in
            guard let from = memory.baseAddress else { return }
            unsafe target.copyMemory(from: from + start, byteCount: bytes)
        }
        count &+= bytes
    }

    /// Appends `source[start..<end]` up to the first byte that `special` marks, a word at a time,
    /// and returns where that stands, or `end`; traps outside the source.
    ///
    /// - Parameter special: the high bit of each marked byte of a word. Only the lowest set bit has
    ///   to be exact.
    @inline(__always)
    mutating func append(
        _ source: RawSpan, from start: Int, to end: Int, before special: (UInt64) -> UInt64
    ) -> Int {
        precondition(
            start >= 0 && start <= end && end <= source.byteCount, "BUG: a bad range")
        reserve(end &- start)
        // The count is set once: each store could, for all that the compiler knows, change it.
        let target = unsafe base + (count &- start)
        var offset = start
        while offset &+ 8 <= end {
            // SAFETY: eight bytes are left before `end`, which is inside; there is room for them.
            let word = unsafe source.word(uncheckedAt: offset)
            unsafe target.storeBytes(of: word.littleEndian, toByteOffset: offset, as: UInt64.self)
            let found = special(word)
            if _slowPath(found != 0) {
                offset &+= found.trailingZeroBitCount &>> 3
                count &+= offset &- start
                return offset
            }
            offset &+= 8
        }
        let rest = end &- offset
        if rest > 0 {
            // SAFETY: either eight bytes are left in the source, or `lastWord` looks.
            let word =
                _fastPath(offset &+ 8 <= source.byteCount)
                ? unsafe source.word(uncheckedAt: offset) : source.lastWord(from: offset)
            unsafe target.storeBytes(of: word.littleEndian, toByteOffset: offset, as: UInt64.self)
            // A bit of its own ends the text, so that one count finds whichever comes first.
            let found = special(word) | 0x80 &<< UInt64(truncatingIfNeeded: rest &* 8)
            offset &+= found.trailingZeroBitCount &>> 3
        }
        count &+= offset &- start
        return offset
    }

    /// Appends a byte and a JSON string; false, and nothing, where the text has to be escaped.
    ///
    /// Not inlined: where it was, the registers did not suffice, and the whole cost a half more.
    @inline(never)
    mutating func append(
        _ prefix: UInt8, unescapedJSON source: RawSpan, _ range: ByteRange
    ) -> Bool {
        let bytes = range.count
        precondition(bytes >= 0 && range.upperBound <= source.byteCount, "BUG: a bad range")
        reserve(bytes &+ 3)
        let opening = UInt16(prefix) | UInt16(UInt8(ascii: "\"")) << 8
        unsafe base.storeBytes(of: opening.littleEndian, toByteOffset: count, as: UInt16.self)
        let target = unsafe base + (count &+ 2)
        var found: UInt64 = 0
        // The last block or word overlaps the one before it. SAFETY: all are within the range.
        if bytes >= 16 {
            let last = bytes &- 16
            var blocks = SIMD16<UInt8>(repeating: 0)
            var offset = 0
            while offset < last {
                let block = unsafe source.block(uncheckedAt: range.lowerBound &+ offset)
                unsafe target.storeBytes(of: block, toByteOffset: offset, as: SIMD16.self)
                blocks |= WordScan.escapedInJSON(block)
                offset &+= 16
            }
            let block = unsafe source.block(uncheckedAt: range.lowerBound &+ last)
            unsafe target.storeBytes(of: block, toByteOffset: last, as: SIMD16.self)
            found = WordScan.any(blocks | WordScan.escapedInJSON(block))
        } else if bytes >= 8 {
            let last = bytes &- 8
            let first = unsafe source.word(uncheckedAt: range.lowerBound)
            let second = unsafe source.word(uncheckedAt: range.lowerBound &+ last)
            unsafe target.storeBytes(of: first.littleEndian, as: UInt64.self)
            unsafe target.storeBytes(of: second.littleEndian, toByteOffset: last, as: UInt64.self)
            found = WordScan.escapedInJSON(first) | WordScan.escapedInJSON(second)
        } else if bytes > 0 {
            // SAFETY: either eight bytes are left in the source, or `lastWord` looks.
            let word =
                _fastPath(range.lowerBound &+ 8 <= source.byteCount)
                ? unsafe source.word(uncheckedAt: range.lowerBound)
                : source.lastWord(from: range.lowerBound)
            unsafe target.storeBytes(of: word.littleEndian, as: UInt64.self)
            // Bytes behind the text fall out at the top.
            found =
                WordScan.escapedInJSON(word) &<< UInt64(truncatingIfNeeded: 64 &- bytes &* 8)
        }
        guard _fastPath(found == 0) else { return false }
        unsafe target.storeBytes(of: UInt8(ascii: "\""), toByteOffset: bytes, as: UInt8.self)
        count &+= bytes &+ 3
        return true
    }

    /// Appends digits without leading zeros.
    mutating func append(decimal value: UInt64) {
        var digits = 1
        var bound: UInt64 = 10
        while value >= bound {
            digits &+= 1
            // 10^19 is the highest power in 64 bits.
            guard digits < 20 else { break }
            bound &*= 10
        }
        reserve(digits)
        var rest = value
        var offset = count &+ digits
        while offset > count {
            offset &-= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            unsafe base.storeBytes(
                of: UInt8(truncatingIfNeeded: digit) &+ 0x30, toByteOffset: offset, as: UInt8.self)
            rest = quotient
        }
        count &+= digits
    }

    /// What was written, until it is written to again.
    var written: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let memory = unsafe UnsafeRawBufferPointer(start: base, count: count)
            return unsafe _overrideLifetime(RawSpan(_unsafeBytes: memory), borrowing: self)
        }
    }

    @inline(never)
    private mutating func grow(by bytes: Int) {
        // Half as much again keeps the copies linear in the output.
        move(toCapacity: max(capacity + capacity / 2, count + bytes, 512))
    }

    private mutating func move(toCapacity capacity: Int) {
        unsafe base = OutputBuffer.block(base, capacity: capacity)
        self.capacity = capacity
    }

    /// A block with what `old` holds, which is gone then. Of large blocks the pages move, so that
    /// megabytes are neither copied nor there twice while they grow.
    private static func block(
        _ old: UnsafeMutableRawPointer?, capacity: Int
    ) -> UnsafeMutableRawPointer {
        guard let block = unsafe realloc(old, capacity + overrun) else {
            fatalError("out of memory: no block of \(capacity) bytes")
        }
        return unsafe block
    }
}

extension RawSpan {
    /// - Precondition: eight bytes stand at `offset`. It is not checked.
    @inline(__always) @unsafe
    fileprivate func word(uncheckedAt offset: Int) -> UInt64 {
        unsafe UInt64(
            littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// - Precondition: sixteen bytes stand at `offset`. It is not checked.
    @inline(__always) @unsafe
    fileprivate func block(uncheckedAt offset: Int) -> SIMD16<UInt8> {
        unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: SIMD16<UInt8>.self)
    }

    /// The bytes from `offset` on, of which there are less than eight, with zeros behind them.
    @inline(never)
    fileprivate func lastWord(from offset: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in offset..<byteCount {
            word |= UInt64(byte(at: index)) << UInt64(8 * (index - offset))
        }
        return word
    }
}

/// Bytes to look for, eight at a time: the high bit of each that is found in a word. Only the
/// lowest set bit is exact, as a borrow may set others above it.
enum WordScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    static func zero(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & highs }

    /// RFC 8259, section 7: quotation mark, backslash and U+0000 to U+001F. All else, UTF-8's bytes
    /// beyond ASCII too, stands for itself.
    @inline(__always)
    static func escapedInJSON(_ word: UInt64) -> UInt64 {
        // A byte below 0x80 has its high bit set by a subtraction only where it is what is looked
        // for; of others the last step clears it.
        let quote = (word ^ (ones &* UInt64(UInt8(ascii: "\"")))) &- ones
        let backslash = (word ^ (ones &* UInt64(UInt8(ascii: "\\")))) &- ones
        return (quote | backslash | (word &- ones &* 0x20)) & ~word & highs
    }

    /// The same for sixteen bytes, each exact: nothing is borrowed from the next. By arithmetic
    /// alone, as the compiler makes a loop over the bytes of a comparison of vectors.
    @inline(__always)
    static func escapedInJSON(_ block: SIMD16<UInt8>) -> SIMD16<UInt8> {
        let quote = (block ^ UInt8(ascii: "\"")) &- 1
        let backslash = (block ^ UInt8(ascii: "\\")) &- 1
        return (quote | backslash | (block &- 0x20)) & ~block & 0x80
    }

    /// Not zero where a byte of the block is not.
    @inline(__always)
    static func any(_ block: SIMD16<UInt8>) -> UInt64 {
        let halves = unsafe unsafeBitCast(block, to: SIMD2<UInt64>.self)
        return halves.x | halves.y
    }
}
