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

    /// Whether all bytes from `start` to `end` are below 0x80. How long texts are is as good as
    /// random, so that each branch by the length is guessed wrong every so often: from 16 to 64
    /// bytes there is none, but four loads that overlap where there is less.
    ///
    /// - Precondition: `0 <= start <= end <= byteCount`. It is not checked.
    @inlinable @inline(__always) @unsafe
    public func isASCII(uncheckedFrom start: Int, to end: Int) -> Bool {
        let count = end &- start
        guard count >= 16 else { return unsafe isShortASCII(uncheckedFrom: start, to: end) }
        let last = end &- 16
        var bytes =
            unsafe uncheckedVector(start) | uncheckedVector(min(start &+ 16, last))
            | uncheckedVector(min(start &+ 32, last)) | uncheckedVector(last)
        var offset = start &+ 48
        while offset < last {
            bytes |= unsafe uncheckedVector(offset)
            offset &+= 16
        }
        return (bytes.x | bytes.y) & 0x8080_8080_8080_8080 == 0
    }

    /// The same for less than 16 bytes.
    @inlinable @inline(__always) @unsafe
    func isShortASCII(uncheckedFrom start: Int, to end: Int) -> Bool {
        let count = end &- start
        var high: UInt64
        if count >= 8 {
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

    /// Sixteen bytes at an offset that leaves as many before the end.
    @inlinable @inline(__always) @unsafe
    func uncheckedVector(_ offset: Int) -> SIMD2<UInt64> {
        unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: SIMD2<UInt64>.self)
    }

    /// Eight bytes, likewise.
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
