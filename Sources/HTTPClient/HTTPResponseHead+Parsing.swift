import HTTP

extension HTTPResponseHead {
    /// RFC 9112, section 4: `HTTP/1.1 200 OK`. The phrase may be missing, its blank too.
    init(statusLine line: [UInt8]) throws(HTTPResponseError) {
        guard line.starts(with: "HTTP/1.".utf8), line.count >= 12, line[7].isDigit,
            line[8] == UInt8(ascii: " "), line[9...11].allSatisfy(\.isDigit),
            line.count == 12 || line[12] == UInt8(ascii: " ")
        else { throw .statusLine }
        let code = line[9...11].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard (100...599).contains(code) else { throw .statusLine }
        self.init(
            status: HTTPStatus(code),
            version: line[7] == UInt8(ascii: "0") ? .http10 : .http11)
    }

    /// RFC 9112, section 9.3: whether the connection outlives the response.
    var isKeptAlive: Bool {
        let options = headers.elements("Connection")
        if options.contains(where: { HTTPHeaders.isSame($0, "close") }) { return false }
        return version == .http11 || options.contains { HTTPHeaders.isSame($0, "keep-alive") }
    }

    /// RFC 9112, section 6.3: several equal lengths are one, whether in one field or in many.
    func contentLength() throws(HTTPResponseError) -> Int? {
        guard headers.contains("Content-Length") else { return nil }
        var length: Int?
        for element in headers.elements("Content-Length") {
            // Eighteen digits can't overflow, and no body has as many.
            guard element.utf8.count <= 18, element.utf8.allSatisfy(\.isDigit),
                let value = Int(element), length == nil || length == value
            else { throw .contentLength }
            length = value
        }
        guard let length else { throw .contentLength }
        return length
    }
}

extension HTTPHeaders {
    /// RFC 9112, section 5: a name, a colon, a value with blanks around it. A line that begins
    /// with a blank continues the value before it (section 5.2).
    mutating func addField(line: [UInt8]) throws(HTTPResponseError) {
        guard line.allSatisfy(\.isFieldContent) else { throw .headerField }
        if line.first?.isBlank == true {
            guard !fields.isEmpty else { throw .headerField }
            fields[fields.count - 1].value += " " + Self.trimmed(line[...])
            return
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            line[..<colon].allSatisfy(\.isTokenByte)
        else { throw .headerField }
        add(String(decoding: line[..<colon], as: UTF8.self), Self.trimmed(line[(colon + 1)...]))
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        var bytes = bytes.drop(while: \.isBlank)
        while bytes.last?.isBlank == true { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

    /// RFC 9110, section 5.5: no control characters but HTAB.
    var isFieldContent: Bool { self >= 0x20 && self != 0x7F || self == UInt8(ascii: "\t") }

    /// RFC 9110, section 5.6.2.
    var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
