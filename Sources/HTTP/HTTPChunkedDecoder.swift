/// Takes a chunked body out of its framing (RFC 9112, 7.1), from pieces of any size.
///
///     chunk      = 1*HEXDIG [ chunk-ext ] CRLF chunk-data CRLF
///     last-chunk = 1*"0" [ chunk-ext ] CRLF trailer-section CRLF
///
/// Extensions and trailers mean nothing to us: they are checked, bounded and dropped.
struct HTTPChunkedDecoder {
    /// More hex digits than an Int has are a lie, or padding that nobody sends.
    private static let sizeDigitsMax = 16

    private static var tooLarge: HTTPRejection {
        HTTPRejection(.contentTooLarge, "the request's body is too large")
    }

    private enum State {
        case size(value: Int, digits: Int)
        case chunkExtension(Int)
        case sizeLineFeed(Int)
        case data(remaining: Int)
        case dataCarriageReturn
        case dataLineFeed
        case trailers
    }

    private var state = State.size(value: 0, digits: 0)
    /// What may still be announced. A chunk too many is refused by its size line, not by its data.
    private var bytesLeft: Int
    private var extensionBytes = 0
    private var trailers = HTTPHeadParser.trailers()

    /// What the trailers that have arrived take of memory.
    var trailerBytes: Int { trailers.memoryBytes }

    init(bytesMax: Int) { bytesLeft = bytesMax }

    /// Bounds the chunks from the next one on.
    mutating func allow(_ bytes: Int) { bytesLeft = bytes }

    /// Consumes bytes from `offset` on and hands each piece of data to `append`; true at the end of
    /// the body.
    mutating func decode(
        _ bytes: RawSpan, from offset: inout Int, limits: HTTPLimits,
        append: (RawSpan) -> Void
    ) throws(HTTPRejection) -> Bool {
        while offset < bytes.byteCount {
            switch state {
            case .data(let remaining):
                let count = min(remaining, bytes.byteCount - offset)
                append(bytes.extracting(offset..<(offset + count)))
                offset += count
                state =
                    count == remaining ? .dataCarriageReturn : .data(remaining: remaining - count)
            case .trailers:
                return try trailers.parse(bytes, from: &offset, limits: limits) != nil
            default:
                try framing(bytes.byte(at: offset), limits: limits)
                offset += 1
            }
        }
        return false
    }

    /// One byte that is not data.
    private mutating func framing(_ byte: UInt8, limits: HTTPLimits) throws(HTTPRejection) {
        switch state {
        case .size(let value, let digits):
            try size(byte, value: value, digits: digits)
        case .chunkExtension(let size):
            extensionBytes += 1
            if byte == HTTPSyntax.carriageReturn {
                state = .sizeLineFeed(size)
            } else if extensionBytes > limits.chunkExtensionBytesMax
                || (byte < 0x20 && byte != HTTPSyntax.tab) || byte == 0x7f
            {
                throw HTTPRejection(.badRequest, "a chunk's extension is malformed or too long")
            }
        case .sizeLineFeed(let size):
            try expect(HTTPSyntax.lineFeed, byte)
            guard size <= bytesLeft else { throw HTTPChunkedDecoder.tooLarge }
            bytesLeft -= size
            state = size == 0 ? .trailers : .data(remaining: size)
        case .dataCarriageReturn:
            try expect(HTTPSyntax.carriageReturn, byte)
            state = .dataLineFeed
        case .dataLineFeed:
            try expect(HTTPSyntax.lineFeed, byte)
            state = .size(value: 0, digits: 0)
        case .data, .trailers:
            preconditionFailure("BUG: data and trailers are not framing")
        }
    }

    private mutating func size(
        _ byte: UInt8, value: Int, digits: Int
    ) throws(HTTPRejection) {
        if let digit = hexDigit(byte) {
            // The shift loses nothing: the value is below 2^59 before it.
            guard digits < HTTPChunkedDecoder.sizeDigitsMax else {
                throw HTTPRejection(.badRequest, "a chunk's size has too many digits")
            }
            guard value < 1 << 59 else { throw HTTPChunkedDecoder.tooLarge }
            state = .size(value: value << 4 | Int(digit), digits: digits + 1)
            return
        }
        guard digits > 0 else {
            throw HTTPRejection(.badRequest, "a chunk's size is missing")
        }
        switch byte {
        case HTTPSyntax.carriageReturn: state = .sizeLineFeed(value)
        case HTTPSyntax.space, HTTPSyntax.tab, UInt8(ascii: ";"): state = .chunkExtension(value)
        default: throw HTTPRejection(.badRequest, "a chunk's size is not hexadecimal")
        }
    }

    private func expect(_ expected: UInt8, _ byte: UInt8) throws(HTTPRejection) {
        guard byte == expected else {
            throw HTTPRejection(.badRequest, "a chunk doesn't end in CR LF")
        }
    }
}
