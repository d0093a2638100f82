/// How a request's body is delimited (RFC 9112, 6) and what the head says about the connection.
struct HTTPFraming: Hashable {
    enum Body: Hashable {
        case none
        case length(Int)
        case chunked
    }

    var body: Body
    var expectsContinue: Bool
    var keepsAlive: Bool

    /// Checks everything that two parsers could read differently. Whatever is ambiguous is refused:
    /// that closes request smuggling at its root.
    init(_ head: HTTPRequestHead) throws(HTTPRejection) {
        var scan = HeadScan()
        for field in head.headers.fields { try scan.take(field) }
        if head.version == .http11, scan.hostCount != 1 {
            throw HTTPRejection(.badRequest, "a request has exactly one Host header field")
        }
        if let coding = scan.transferCoding {
            try HTTPFraming.checkTransfer(coding, scan: scan, version: head.version)
            body = .chunked
        } else {
            body = scan.length.map { $0 == 0 ? .none : .length($0) } ?? .none
        }
        expectsContinue = scan.expectsContinue && head.version == .http11 && body != .none
        keepsAlive = !scan.closes && (head.version == .http11 || scan.keepsAlive)
    }

    private static func checkTransfer(
        _ coding: String, scan: HeadScan, version: HTTPVersion
    ) throws(HTTPRejection) {
        if scan.length != nil {
            throw HTTPRejection(
                .badRequest, "Content-Length and Transfer-Encoding exclude each other")
        }
        if version == .http10 {
            throw HTTPRejection(.badRequest, "HTTP/1.0 has no Transfer-Encoding")
        }
        if HTTPHeaders.isSame(coding, "chunked") { return }
        let codings = coding.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingHTTPSpace()
        }
        let chunked = codings.filter { HTTPHeaders.isSame($0, "chunked") }.count
        guard let last = codings.last, HTTPHeaders.isSame(last, "chunked"), chunked == 1,
            !codings.contains("")
        else {
            throw HTTPRejection(.badRequest, "chunked comes once, as the last transfer coding")
        }
        throw HTTPRejection(.notImplemented, "chunked is the only transfer coding spoken here")
    }
}

/// What one pass over the fields collects.
private struct HeadScan {
    var hostCount = 0
    var length: Int?
    var transferCoding: String?
    var expectsContinue = false
    var closes = false
    var keepsAlive = false

    mutating func take(_ field: HTTPField) throws(HTTPRejection) {
        // The length of the name sorts out nearly every other field for the price of a comparison.
        switch field.name.utf8.count {
        case 4 where HTTPHeaders.isSame(field.name, "host"):
            hostCount += 1
            guard HTTPSyntax.isHost(field.value) else {
                throw HTTPRejection(.badRequest, "the Host header field is malformed")
            }
        case 6 where HTTPHeaders.isSame(field.name, "expect"):
            guard HTTPHeaders.isSame(field.value, "100-continue") else {
                throw HTTPRejection(.expectationFailed, "only 100-continue can be expected")
            }
            expectsContinue = true
        case 10 where HTTPHeaders.isSame(field.name, "connection"):
            for option in field.value.utf8.split(separator: UInt8(ascii: ",")) {
                let option = Substring(option).trimmingHTTPSpace()
                if HTTPHeaders.isSame(option, "close") { closes = true }
                if HTTPHeaders.isSame(option, "keep-alive") { keepsAlive = true }
            }
        case 14 where HTTPHeaders.isSame(field.name, "content-length"):
            guard length == nil else {
                throw HTTPRejection(.badRequest, "Content-Length is given more than once")
            }
            length = try HeadScan.contentLength(field.value)
        case 17 where HTTPHeaders.isSame(field.name, "transfer-encoding"):
            transferCoding = transferCoding.map { "\($0),\(field.value)" } ?? field.value
        default: break
        }
    }

    /// Digits alone: no sign, no list, no space inside. What doesn't fit an Int is too large for
    /// every limit, and saturates.
    private static func contentLength(_ text: String) throws(HTTPRejection) -> Int {
        var value = 0
        var isHuge = false
        for byte in text.utf8 {
            guard byte >= 0x30 && byte <= 0x39 else {
                throw HTTPRejection(.badRequest, "Content-Length is not a number")
            }
            isHuge = isHuge || value > (.max - 9) / 10
            value = isHuge ? .max : value * 10 + Int(byte - 0x30)
        }
        guard !text.utf8.isEmpty else {
            throw HTTPRejection(.badRequest, "Content-Length is empty")
        }
        return value
    }
}
