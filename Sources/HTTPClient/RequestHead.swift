import HTTP

/// The bytes of a request before its body (RFC 9112, sections 3 and 5), and the checks that keep
/// a name or a value from becoming a line of its own.
package enum RequestHead {
    /// Fields that say how the message is framed are this client's to write.
    private static let ownNames = ["Content-Length", "Transfer-Encoding", "Connection"]

    static func problem(in headers: HTTPHeaders) -> String? {
        for field in headers.fields {
            guard !field.name.isEmpty, field.name.utf8.allSatisfy(\.isTokenByte) else {
                return "a header's name is empty or has characters that no name may have"
            }
            guard field.value.utf8.allSatisfy(\.isFieldContent) else {
                return "the header \(field.name) has control characters in its value"
            }
            if ownNames.contains(where: { HTTPHeaders.isSame($0, field.name) }) {
                return "the header \(field.name) is set by the client itself"
            }
        }
        return nil
    }

    static func problem(in head: HTTPRequestHead) -> String? {
        let method = head.method.rawValue
        guard !method.isEmpty, method.utf8.allSatisfy(\.isTokenByte) else {
            return "the method is not a token"
        }
        let target = head.target.utf8
        guard target.first == UInt8(ascii: "/"), target.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return "the target is not a path in printable ASCII" }
        return problem(in: head.headers)
    }

    /// The head must have no ``problem(in:)-(HTTPRequestHead)``.
    package static func serialize(
        _ head: HTTPRequestHead, bodyByteCount: Int, authority: String, keepsAlive: Bool
    ) -> [UInt8] {
        var text = "\(head.method.rawValue) \(head.target) HTTP/1.1\r\n"
        if !head.headers.contains("Host") { text += "Host: \(authority)\r\n" }
        for field in head.headers.fields { text += "\(field.name): \(field.value)\r\n" }
        if bodyByteCount > 0 || head.method == .post || head.method == .put {
            text += "Content-Length: \(bodyByteCount)\r\n"
        }
        if !keepsAlive { text += "Connection: close\r\n" }
        return Array((text + "\r\n").utf8)
    }
}
