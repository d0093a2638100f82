import HTTP

/// Reads one response from the bytes of a connection (RFC 9112): bytes in, progress out; no
/// socket and no clock. Whatever pieces the bytes come in, the result is the same.
///
/// For `HTTPClient`, and for whoever drives its connections from an event loop.
package struct HTTPResponseParser: ~Copyable {
    package enum Progress: Equatable {
        case needMoreBytes
        /// `isReusable`: the connection is at the start of the next response, and stays open.
        case complete(HTTPClientResponse, isReusable: Bool)
    }

    private enum State {
        case statusLine
        case headerLine
        case body(remaining: Int)
        case bodyUntilEnd
        case chunkSize
        case chunkData(remaining: Int)
        case chunkDataEnd
        case trailerLine
        case complete
    }

    /// A chunk's size and its extensions, which mean nothing here.
    private static let chunkLineBytesMax = 4096

    private let headBytesMax: Int
    private let bodyBytesMax: Int
    private let requestMethod: HTTPMethod

    private var state = State.statusLine
    /// The current line so far, without its LF.
    private var line: [UInt8] = []
    /// What status line, header fields, interim responses and trailers have taken so far.
    private var headBytes = 0
    private var head = HTTPResponseHead(status: .ok)
    private var body: [UInt8] = []
    private var isBodyCut = false
    private var isReusable = false

    /// - Parameters:
    ///   - headBytesMax: of the head, the interim responses before it and the trailers after it.
    ///   - bodyBytesMax: of the body that are kept; a longer one is cut.
    package init(requestMethod: HTTPMethod, headBytesMax: Int, bodyBytesMax: Int) {
        self.requestMethod = requestMethod
        self.headBytesMax = headBytesMax
        self.bodyBytesMax = bodyBytesMax
    }

    /// Takes the next bytes of the connection. What follows a complete response makes the
    /// connection useless for another request.
    package mutating func receive(_ bytes: Span<UInt8>) throws(HTTPResponseError) -> Progress {
        var offset = 0
        while offset < bytes.count {
            switch state {
            case .statusLine, .headerLine, .trailerLine, .chunkSize, .chunkDataEnd:
                if try readLine(bytes, &offset) { try finishLine() }
            case .body(let remaining):
                let left = remaining - takeBody(bytes, &offset, upTo: remaining)
                state = left == 0 ? .complete : .body(remaining: left)
            case .chunkData(let remaining):
                let left = remaining - takeBody(bytes, &offset, upTo: remaining)
                state = left == 0 ? .chunkDataEnd : .chunkData(remaining: left)
            case .bodyUntilEnd:
                _ = takeBody(bytes, &offset, upTo: .max)
            case .complete:
                isReusable = false
                offset = bytes.count
            }
            if isBodyCut {
                isReusable = false
                state = .complete
            }
        }
        return progress
    }

    /// The other side has finished sending.
    package mutating func receiveEnd() throws(HTTPResponseError) -> Progress {
        switch state {
        case .bodyUntilEnd: state = .complete
        case .complete: break
        default: throw .endedEarly
        }
        isReusable = false
        return progress
    }

    private var progress: Progress {
        guard case .complete = state else { return .needMoreBytes }
        let response = HTTPClientResponse(
            status: head.status, headers: head.headers, body: body, isBodyCut: isBodyCut)
        return .complete(response, isReusable: isReusable)
    }

    // MARK: - Lines

    /// Moves bytes up to a line's end into `line`. A line ends with LF; a CR before it belongs to
    /// the end (RFC 9112, section 2.2).
    private mutating func readLine(
        _ bytes: Span<UInt8>, _ offset: inout Int
    ) throws(HTTPResponseError) -> Bool {
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            try countLineByte()
            if byte == UInt8(ascii: "\n") {
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                return true
            }
            line.append(byte)
        }
        return false
    }

    private mutating func countLineByte() throws(HTTPResponseError) {
        switch state {
        case .chunkSize, .chunkDataEnd:
            guard line.count < Self.chunkLineBytesMax else { throw .chunk }
        default:
            headBytes += 1
            guard headBytes <= headBytesMax else { throw .headTooLarge }
        }
    }

    private mutating func finishLine() throws(HTTPResponseError) {
        defer { line.removeAll(keepingCapacity: true) }
        switch state {
        case .statusLine:
            head = try HTTPResponseHead(statusLine: line)
            state = .headerLine
        case .headerLine where line.isEmpty:
            try finishHead()
        case .headerLine:
            try head.headers.addField(line: line)
        case .chunkSize:
            let size = try Self.chunkSize(line)
            state = size == 0 ? .trailerLine : .chunkData(remaining: size)
        case .chunkDataEnd:
            guard line.isEmpty else { throw .chunk }
            state = .chunkSize
        case .trailerLine where line.isEmpty:
            state = .complete
        case .trailerLine:
            // Trailers are checked for their form and dropped: nobody here asks for one.
            var trailers: HTTPHeaders = ["-": ""]
            try trailers.addField(line: line)
        case .body, .bodyUntilEnd, .chunkData, .complete:
            preconditionFailure("BUG: a line ended where no line is read")
        }
    }

    /// RFC 9112, section 7.1: hexadecimal digits, then perhaps blanks and extensions.
    private static func chunkSize(_ line: [UInt8]) throws(HTTPResponseError) -> Int {
        var size = 0
        var digitCount = 0
        for byte in line {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
                guard [UInt8(ascii: ";"), UInt8(ascii: " "), UInt8(ascii: "\t")].contains(byte)
                else { throw .chunk }
                break
            }
            digitCount += 1
            // Fifteen digits can't overflow; leading zeros beyond them serve no purpose.
            guard digitCount <= 15 else { throw .chunk }
            size = size << 4 | digit
        }
        guard digitCount > 0 else { throw .chunk }
        return size
    }

    // MARK: - The body

    /// Where the body ends (RFC 9112, section 6.3).
    private mutating func finishHead() throws(HTTPResponseError) {
        let status = head.status.code
        if status == 101 { throw .unexpectedUpgrade }
        if status < 200 {
            state = .statusLine
            return
        }
        isReusable = head.isKeptAlive
        if requestMethod == .head || head.status == .noContent || head.status == .notModified {
            state = .complete
        } else if head.headers.contains("Transfer-Encoding") {
            try beginChunks()
        } else if let length = try head.contentLength() {
            body.reserveCapacity(min(length, Self.bodyReserveBytesMax, bodyBytesMax))
            state = length == 0 ? .complete : .body(remaining: length)
        } else {
            isReusable = false
            state = .bodyUntilEnd
        }
    }

    private mutating func beginChunks() throws(HTTPResponseError) {
        let codings = head.headers.elements("Transfer-Encoding")
        guard codings.count == 1, HTTPHeaders.isSame(codings[0], "chunked"),
            head.version == .http11
        else { throw .transferEncoding }
        // Both lengths: somebody on the way may have read the other one (section 6.1).
        if head.headers.contains("Content-Length") { isReusable = false }
        state = .chunkSize
    }

    /// Room made on the word of a `Content-Length` alone.
    private static let bodyReserveBytesMax = 64 << 10

    /// Takes at most `limit` bytes and returns their count. What the body has no room for sets
    /// `isBodyCut` instead of being kept.
    private mutating func takeBody(
        _ bytes: Span<UInt8>, _ offset: inout Int, upTo limit: Int
    ) -> Int {
        let count = min(bytes.count - offset, limit)
        let kept = min(count, bodyBytesMax - body.count)
        for index in offset..<(offset + kept) { body.append(bytes[index]) }
        if kept < count { isBodyCut = true }
        offset += count
        return count
    }
}
