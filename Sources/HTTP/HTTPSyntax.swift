/// The character classes of RFC 9110 and RFC 9112, each a test of one byte.
enum HTTPSyntax {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0a
    static let carriageReturn: UInt8 = 0x0d
    static let space: UInt8 = 0x20
    static let colon: UInt8 = 0x3a

    /// `tchar` (RFC 9110, 5.6.2).
    private static let tokenLow = bits(of: "!#$%&'*+-.0123456789", from: 0)
    private static let tokenHigh = bits(
        of: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz^_`|~", from: 64)

    static func isToken(_ bytes: RawSpan) -> Bool {
        bytes.byteCount > 0 && isMade(of: tokenLow, tokenHigh, bytes)
    }

    /// A set of characters as one bit each, for the 64 from `first` on.
    private static func bits(of characters: String, from first: UInt8) -> UInt64 {
        characters.utf8.reduce(0) { $0 | 1 << UInt64($1 - first) }
    }

    private static func isMade(of low: UInt64, _ high: UInt64, _ bytes: RawSpan) -> Bool {
        for offset in 0..<bytes.byteCount {
            let byte = bytes.byte(at: offset)
            let bits = byte < 64 ? low >> UInt64(byte) : high >> UInt64(byte & 63)
            if byte >= 128 || bits & 1 == 0 { return false }
        }
        return true
    }

    /// `field-value` (RFC 9110, 5.5): no control character but the tab; bytes from 0x80 pass.
    static func isFieldValue(_ bytes: RawSpan) -> Bool {
        for offset in 0..<bytes.byteCount {
            let byte = bytes.byte(at: offset)
            if (byte < 0x20 && byte != tab) || byte == 0x7f { return false }
        }
        return true
    }

    /// Visible ASCII: what a request target may consist of, generously.
    static func isVisible(_ bytes: RawSpan) -> Bool {
        for offset in 0..<bytes.byteCount {
            let byte = bytes.byte(at: offset)
            if byte <= 0x20 || byte >= 0x7f { return false }
        }
        return bytes.byteCount > 0
    }

    /// `uri-host [ ":" port ]`, generously: visible ASCII without what a proxy could read as
    /// another part of a URI. Empty is legal (RFC 9112, 3.2).
    private static let hostLow = bits(of: "!$%&'()*+,-.0123456789:;=", from: 0)
    private static let hostHigh = bits(
        of: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz[]_~", from: 64)

    static func isHost(_ value: String) -> Bool {
        let bytes = value.utf8Span.span.bytesView
        return bytes.isEmpty || isMade(of: hostLow, hostHigh, bytes)
    }
}

extension Span where Element == UInt8 {
    /// The same bytes, untyped.
    var bytesView: RawSpan {
        @_lifetime(copy self) get {
            // SAFETY: bytes are viewed as bytes.
            unsafe bytes
        }
    }
}

extension RawSpan {
    @inline(__always)
    func byte(at offset: Int) -> UInt8 {
        // SAFETY: the load is checked against the span's bounds; any byte is a UInt8.
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// The offset of the first `byte` in `start..<end`.
    func firstOffset(of byte: UInt8, from start: Int, to end: Int) -> Int? {
        var offset = start
        while offset < end {
            if self.byte(at: offset) == byte { return offset }
            offset += 1
        }
        return nil
    }

    /// Without the spaces and tabs at both ends.
    @_lifetime(copy self)
    func trimmingHTTPSpace() -> RawSpan {
        var start = 0
        var end = byteCount
        func isSpace(_ byte: UInt8) -> Bool { byte == HTTPSyntax.space || byte == HTTPSyntax.tab }
        while start < end, isSpace(byte(at: start)) { start += 1 }
        while end > start, isSpace(byte(at: end - 1)) { end -= 1 }
        return extracting(start..<end)
    }

    /// Header text is ASCII but for what nobody should send: bytes that aren't UTF-8 become U+FFFD.
    func makeString() -> String {
        // SAFETY: the buffer is valid during the call, which copies it.
        unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

extension Array where Element == UInt8 {
    mutating func append(_ bytes: RawSpan) {
        // SAFETY: the buffer is valid during the call, which copies it.
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
