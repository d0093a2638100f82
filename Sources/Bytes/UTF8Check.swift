extension RawSpan {
    /// Whether the bytes in `range` are UTF-8. ASCII, which nearly all telemetry is, is tested
    /// eight bytes at a time; only text beyond it pays for the full check.
    @inlinable @inline(__always)
    public func isUTF8(_ range: ByteRange) -> Bool {
        precondition(range.upperBound <= byteCount, "BUG: a range past the end of its payload")
        // SAFETY: `start <= end` holds for every range, and the end was checked just now.
        return unsafe isASCII(uncheckedFrom: range.lowerBound, to: range.upperBound)
            || isUTF8Slowly(range)
    }

    /// Whether all bytes from `start` to `end` are below 0x80. The last load overlaps the one
    /// before it, so that no byte is tested alone and the branches are few: most text is decided
    /// without a loop.
    ///
    /// - Precondition: `0 <= start <= end <= byteCount`. It is not checked.
    @inlinable @inline(__always) @unsafe
    public func isASCII(uncheckedFrom start: Int, to end: Int) -> Bool {
        let count = end &- start
        var high: UInt64
        if count >= 32 {
            let last = end &- 32
            high = unsafe orOfWords(start, start &+ 16) | orOfWords(last, last &+ 16)
            var offset = start &+ 32
            while offset < last {
                high |= unsafe orOfWords(offset, offset &+ 16)
                offset &+= 32
            }
        } else if count >= 16 {
            high = unsafe orOfWords(start, end &- 16)
        } else if count >= 8 {
            high = unsafe uncheckedWord(start) | uncheckedWord(end &- 8)
        } else if count >= 4 {
            let first = unsafe unsafeLoadUnaligned(
                fromUncheckedByteOffset: start, as: UInt32.self)
            let last = unsafe unsafeLoadUnaligned(
                fromUncheckedByteOffset: end &- 4, as: UInt32.self)
            high = UInt64(first | last)
        } else if count > 0 {
            // First, middle and last cover one to three bytes.
            let first = unsafe unsafeLoad(fromUncheckedByteOffset: start, as: UInt8.self)
            let middle = unsafe unsafeLoad(
                fromUncheckedByteOffset: start &+ count / 2, as: UInt8.self)
            let last = unsafe unsafeLoad(fromUncheckedByteOffset: end &- 1, as: UInt8.self)
            high = UInt64(first | middle | last)
        } else {
            return true
        }
        return high & 0x8080_8080_8080_8080 == 0
    }

    /// Two times sixteen bytes, each at an offset that leaves as many before the end.
    @inlinable @inline(__always) @unsafe
    func orOfWords(_ first: Int, _ second: Int) -> UInt64 {
        unsafe uncheckedWord(first) | uncheckedWord(first &+ 8)
            | uncheckedWord(second) | uncheckedWord(second &+ 8)
    }

    @inlinable @inline(__always) @unsafe
    func uncheckedWord(_ offset: Int) -> UInt64 {
        unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
    }

    @usableFromInline @inline(never)
    func isUTF8Slowly(_ range: ByteRange) -> Bool {
        let part = extracting(range.lowerBound..<range.upperBound)
        let units = Span<UInt8>(_bytes: part)
        return (try? UTF8Span(validating: units)) != nil
    }
}
