extension RawSpan {
    /// The byte at `offset`; traps outside the span.
    @inlinable @inline(__always)
    public func byte(at offset: Int) -> UInt8 {
        // SAFETY: the load checks its bounds, and every bit pattern is a valid integer.
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// Eight bytes at `offset`, little-endian, at any alignment; traps outside the span.
    @inlinable @inline(__always)
    public func littleEndian64(at offset: Int) -> UInt64 {
        // SAFETY: the load checks its bounds, and every bit pattern is a valid integer.
        UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Four bytes at `offset`, little-endian, at any alignment; traps outside the span.
    @inlinable @inline(__always)
    public func littleEndian32(at offset: Int) -> UInt32 {
        // SAFETY: the load checks its bounds, and every bit pattern is a valid integer.
        UInt32(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Eight bytes at `offset`, most significant first, as trace and span ids are read and shown.
    @inlinable @inline(__always)
    public func bigEndian64(at offset: Int) -> UInt64 { littleEndian64(at: offset).byteSwapped }

    /// Whether the bytes in `range` are those of `text`.
    @inlinable
    public func equals(_ text: StaticString, in range: ByteRange) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        // SAFETY: a static string's buffer lives as long as the process; the count was compared.
        let expected = unsafe UnsafeRawBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
        for index in 0..<range.count
        where unsafe expected[index] != byte(at: range.lowerBound + index) {
            return false
        }
        return true
    }

    /// Whether the bytes in `range` are `other`.
    @inlinable
    public func equals(_ other: [UInt8], in range: ByteRange) -> Bool {
        guard range.count == other.count else { return false }
        var offset = range.lowerBound
        for expected in other {
            guard byte(at: offset) == expected else { return false }
            offset += 1
        }
        return true
    }

    /// Below 0 where the bytes in `one` come before those in `other`, 0 where they are the same: by
    /// the first byte that differs, and a shorter one before what it begins.
    public func compare(_ one: ByteRange, _ other: ByteRange) -> Int {
        let common = min(one.count, other.count)
        var offset = 0
        while offset + 8 <= common {
            let word = bigEndian64(at: one.lowerBound + offset)
            let otherWord = bigEndian64(at: other.lowerBound + offset)
            if word != otherWord { return word < otherWord ? -1 : 1 }
            offset += 8
        }
        while offset < common {
            let byte = self.byte(at: one.lowerBound + offset)
            let otherByte = self.byte(at: other.lowerBound + offset)
            if byte != otherByte { return byte < otherByte ? -1 : 1 }
            offset += 1
        }
        return one.count - other.count
    }

    /// The bytes in `range`, copied.
    @inlinable
    public func array(_ range: ByteRange) -> [UInt8] {
        let part = extracting(range.lowerBound..<range.upperBound)
        // SAFETY: the source is the checked part of this span, which outlives the call.
        return unsafe part.withUnsafeBytes { source in unsafe [UInt8](source) }
    }

    /// The text in `range`; bytes that are not UTF-8 become U+FFFD.
    @inlinable
    public func string(_ range: ByteRange) -> String {
        let part = extracting(range.lowerBound..<range.upperBound)
        // SAFETY: the source is the checked part of this span, which outlives the call.
        return unsafe part.withUnsafeBytes { source in
            unsafe String(decoding: source, as: UTF8.self)
        }
    }
}

extension Array where Element == UInt8 {
    /// The array's bytes, for as long as it is borrowed.
    @inlinable
    public var rawSpan: RawSpan {
        @_lifetime(borrow self) @inline(__always)
        get {
            // SAFETY: `UInt8` has no padding, which is all that `Span.bytes` asks for.
            unsafe span.bytes
        }
    }

    /// Appends the bytes of `source` in `range`, in one copy.
    @inlinable
    public mutating func append(_ source: RawSpan, _ range: Range<Int>) {
        let part = source.extracting(range)
        // SAFETY: the source is the checked part of a span that outlives the call.
        unsafe part.withUnsafeBytes { source in unsafe append(contentsOf: source) }
    }
}
