/// Reads a request's head line by line, from pieces of any size. The outcome depends on the bytes
/// alone, never on how they were cut.
///
///     request-line = method SP request-target SP HTTP-version CRLF        RFC 9112, 3
///     field-line   = field-name ":" OWS field-value OWS CRLF              RFC 9112, 5
///
/// Stricter than the RFC allows where leniency has been used to smuggle requests past a proxy: a
/// bare LF, a bare CR, a folded line, a space before the colon are all 400.
struct HTTPHeadParser {
    /// The start of a line whose end hasn't arrived; empty while idle, so that an idle connection
    /// holds no buffer.
    private var partialLine: [UInt8] = []
    private var bytesUsed = 0
    private var head: HTTPRequestHead?
    /// `memoryBytes` of the head that was returned last.
    private(set) var finishedBytes = 0

    /// Reads a request's head.
    init() {}

    /// Reads the trailer section after a chunked body instead (RFC 9112, 7.1.2): field lines up to
    /// an empty one, under the same limits, without a request line.
    static func trailers() -> HTTPHeadParser {
        var parser = HTTPHeadParser()
        parser.head = HTTPRequestHead(method: .post, target: "/")
        return parser
    }

    /// True before the first byte of a request.
    var isAtStart: Bool { bytesUsed == 0 }

    /// Consumes bytes from `offset` on; a head when the empty line at its end was reached.
    mutating func parse(
        _ bytes: RawSpan, from offset: inout Int, limits: HTTPLimits
    ) throws(HTTPRejection) -> HTTPRequestHead? {
        // There may be no line end for long in what TLS sends, so its first byte has to do.
        if bytesUsed == 0, head == nil, offset < bytes.byteCount,
            bytes.byte(at: offset) == ForeignProtocol.tlsHandshake
        {
            throw HTTPRejection(ForeignProtocol.tls)
        }
        while offset < bytes.byteCount {
            let end = bytes.firstOffset(
                of: HTTPSyntax.lineFeed, from: offset, to: bytes.byteCount)
            let next = end.map { $0 + 1 } ?? bytes.byteCount
            let piece = bytes.extracting(offset..<next)
            try charge(piece.byteCount, limits: limits, endsLine: end != nil)
            offset = next
            if end == nil {
                partialLine.append(piece)
            } else if partialLine.isEmpty {
                if try line(piece, limits: limits) { return finish() }
            } else {
                partialLine.append(piece)
                let whole = partialLine
                partialLine = []
                // SAFETY: a view of bytes as bytes, which the array outlives.
                if try line(unsafe whole.span.bytes, limits: limits) { return finish() }
            }
        }
        return nil
    }

    /// Limits count from the line's first byte, so that where the pieces end makes no difference.
    private mutating func charge(
        _ count: Int, limits: HTTPLimits, endsLine: Bool
    ) throws(HTTPRejection) {
        let lineBytes = partialLine.count + count - (endsLine ? 2 : 0)
        let lineStart = bytesUsed - partialLine.count
        // One more while the line is open: its last byte may turn out to be the CR. The limit that
        // is passed first, byte by byte, is the one that counts.
        if head == nil, lineBytes > limits.requestLineBytesMax + (endsLine ? 0 : 1),
            lineStart + limits.requestLineBytesMax < limits.headBytesMax
        {
            throw HTTPRejection(.uriTooLong, "the request line is too long")
        }
        bytesUsed += count
        if bytesUsed > limits.headBytesMax {
            throw HTTPRejection(.headerFieldsTooLarge, "the request's head is too large")
        }
    }

    /// What a head, or as much of it as has arrived, takes of memory: its bytes, and for each field
    /// two strings and their place in an array that grows by doubling.
    var memoryBytes: Int { bytesUsed + (head?.headers.count ?? 0) * Self.fieldBytes }

    private static let fieldBytes = 96

    private mutating func finish() -> HTTPRequestHead? {
        let finished = head
        let bytes = memoryBytes
        self = HTTPHeadParser()
        finishedBytes = bytes
        return finished
    }

    /// True at the empty line that ends the head.
    private mutating func line(
        _ line: RawSpan, limits: HTTPLimits
    ) throws(HTTPRejection) -> Bool {
        let end = line.byteCount - 2
        guard end >= 0, line.byte(at: end) == HTTPSyntax.carriageReturn else {
            throw HTTPRejection(.badRequest, "a line of the head doesn't end in CR LF")
        }
        let content = line.extracting(..<end)
        guard head != nil else {
            // Empty lines before the request line are skipped (RFC 9112, 2.2), within the limit.
            if end > 0 { head = try HTTPHeadParser.requestLine(content, limits: limits) }
            return false
        }
        if end == 0 { return true }
        guard head!.headers.count < limits.headerCountMax else {
            throw HTTPRejection(.headerFieldsTooLarge, "the request has too many header fields")
        }
        head!.headers.fields.append(try HTTPHeadParser.field(content))
        return false
    }

    private static func requestLine(
        _ line: RawSpan, limits: HTTPLimits
    ) throws(HTTPRejection) -> HTTPRequestHead {
        do throws(HTTPRejection) {
            return try httpRequestLine(line, limits: limits)
        } catch {
            throw ForeignProtocol(requestLine: line).map { HTTPRejection($0) } ?? error
        }
    }

    private static func httpRequestLine(
        _ line: RawSpan, limits: HTTPLimits
    ) throws(HTTPRejection) -> HTTPRequestHead {
        let end = line.byteCount
        guard let first = line.firstOffset(of: HTTPSyntax.space, from: 0, to: end),
            let second = line.firstOffset(of: HTTPSyntax.space, from: first + 1, to: end)
        else { throw HTTPRejection(.badRequest, "the request line lacks a part") }
        let method = line.extracting(..<first)
        let target = line.extracting((first + 1)..<second)
        guard HTTPSyntax.isToken(method) else {
            throw HTTPRejection(.badRequest, "the method is not a token")
        }
        guard HTTPSyntax.isVisible(target) else {
            throw HTTPRejection(.badRequest, "the request target holds a forbidden byte")
        }
        let version = try version(line.extracting((second + 1)...))
        guard method.byteCount <= limits.methodBytesMax else {
            throw HTTPRejection(.notImplemented, "no such method is known")
        }
        let head = HTTPRequestHead(
            method: HTTPMethod(rawValue: method.makeString()), target: target.makeString(),
            version: version)
        guard isTargetForm(head) else {
            throw HTTPRejection(.badRequest, "the request target is neither a path nor a URI")
        }
        return head
    }

    /// `HTTP/` DIGIT `.` DIGIT. A minor version from the future is served as 1.1 (RFC 9110, 2.5).
    private static func version(_ text: RawSpan) throws(HTTPRejection) -> HTTPVersion {
        let prefix: StaticString = "HTTP/"
        func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
        guard text.byteCount == 8, text.byte(at: 6) == 0x2e,
            isDigit(text.byte(at: 5)), isDigit(text.byte(at: 7)),
            text.extracting(..<5).makeString() == prefix.description
        else { throw HTTPRejection(.badRequest, "the protocol version is malformed") }
        guard text.byte(at: 5) == 0x31 else {
            throw HTTPRejection(.versionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        return text.byte(at: 7) == 0x30 ? .http10 : .http11
    }

    /// The forms of RFC 9112, 3.2: origin, absolute, asterisk, authority.
    private static func isTargetForm(_ head: HTTPRequestHead) -> Bool {
        let target = head.target.utf8
        if target.first == UInt8(ascii: "/") { return true }
        switch head.method.rawValue {
        case "OPTIONS" where head.target == "*": return true
        case "CONNECT": return true
        default:
            let lowercased = target.prefix(8).map { $0 | 0x20 }
            return lowercased.starts(with: "http://".utf8) || lowercased == Array("https://".utf8)
        }
    }

    static func field(_ line: RawSpan) throws(HTTPRejection) -> HTTPField {
        let first = line.byte(at: 0)
        guard first != HTTPSyntax.space, first != HTTPSyntax.tab else {
            throw HTTPRejection(.badRequest, "a header field is folded over lines")
        }
        guard let colon = line.firstOffset(of: HTTPSyntax.colon, from: 0, to: line.byteCount),
            HTTPSyntax.isToken(line.extracting(..<colon))
        else { throw HTTPRejection(.badRequest, "a header field's name is malformed") }
        let value = line.extracting((colon + 1)...).trimmingHTTPSpace()
        guard HTTPSyntax.isFieldValue(value) else {
            throw HTTPRejection(.badRequest, "a header field's value holds a control character")
        }
        return HTTPField(
            name: line.extracting(..<colon).makeString(), value: value.makeString())
    }
}
