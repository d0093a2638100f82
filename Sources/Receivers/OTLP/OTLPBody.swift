import Compression
import HTTP
import OTLP

/// What a request's head says its body is.
struct OTLPBody: Hashable, Sendable {
    let signal: Signal
    let content: BodyEncoding
    let encoding: ContentEncoding
}

/// As one number, which a server keeps until the body is there.
extension OTLPBody {
    init(note: Int) {
        guard let signal = Signal(rawValue: UInt8(note & 0xFF)),
            let content = BodyEncoding(rawValue: UInt8(note >> 8 & 0xFF)),
            let encoding = ContentEncoding(rawValue: UInt8(note >> 16 & 0xFF))
        else { preconditionFailure("BUG: a note that no head has made: \(note)") }
        self.init(signal: signal, content: content, encoding: encoding)
    }

    var note: Int {
        Int(signal.rawValue) | Int(content.rawValue) << 8 | Int(encoding.rawValue) << 16
    }
}

extension BodyEncoding {
    /// Parameters such as `; charset=utf-8` are ignored.
    init?(contentType: String?) {
        guard let contentType else { return nil }
        // Nearly all name it alone.
        for encoding in Self.allCases
        where HTTPHeaders.isSame(contentType, encoding.contentType) {
            self = encoding
            return
        }
        let type = Substring(contentType.utf8.prefix { $0 != UInt8(ascii: ";") })
            .trimmingHTTPSpace()
        guard
            let encoding = Self.allCases.first(where: {
                HTTPHeaders.isSame(type, $0.contentType)
            })
        else { return nil }
        self = encoding
    }
}

/// Reads what a head says of its body, or why the request is not taken.
/// Source: the OTLP specification 1.11, "OTLP/HTTP".
struct OTLPHeadReader: Sendable {
    /// Of each signal, in the order of `Signal.allCases`.
    private let paths: [String]
    private let encodings: Set<ContentEncoding>
    private let allowedMethods: String

    init(_ settings: OTLPReceiverSettings, allowedMethods: String) {
        paths = Signal.allCases.map { settings.paths[$0]! }
        encodings = settings.encodings
        self.allowedMethods = allowedMethods
    }

    func path(of signal: Signal) -> String { paths[Int(signal.rawValue)] }

    func body(_ head: HTTPRequestHead) throws(OTLPFailure) -> OTLPBody {
        OTLPBody(signal: try signal(head), content: try content(head), encoding: try encoding(head))
    }

    private func signal(_ head: HTTPRequestHead) throws(OTLPFailure) -> Signal {
        // A target that is the path and nothing more need not be taken apart.
        let number =
            paths.firstIndex(of: head.target) ?? paths.firstIndex { head.path == $0 }
        guard let number else {
            throw OTLPFailure(
                status: .notFound,
                message: "no such path; OTLP is taken at \(paths.joined(separator: ", "))")
        }
        guard head.method == .post else {
            throw OTLPFailure(
                status: .methodNotAllowed,
                message: "\(paths[number]) takes POST, not \(head.method.rawValue.prefix(16))",
                allow: allowedMethods)
        }
        return Signal.allCases[number]
    }

    private func content(_ head: HTTPRequestHead) throws(OTLPFailure) -> BodyEncoding {
        guard let content = BodyEncoding(contentType: head.headers["Content-Type"]) else {
            throw OTLPFailure(
                status: .unsupportedMediaType,
                message: "expected Content-Type application/x-protobuf or application/json")
        }
        return content
    }

    private func encoding(_ head: HTTPRequestHead) throws(OTLPFailure) -> ContentEncoding {
        guard head.headers.contains("Content-Encoding") else { return .identity }
        // `identity` is no encoding, alone or beside another.
        let named = head.headers.elements("Content-Encoding").filter {
            !HTTPHeaders.isSame($0, "identity")
        }
        if named.isEmpty { return .identity }
        guard named.count == 1, let encoding = ContentEncoding(named[0]),
            encodings.contains(encoding)
        else {
            let names = encodings.filter { $0 != .identity }.map(\.name).sorted()
                .joined(separator: ", ")
            throw OTLPFailure(
                status: .unsupportedMediaType,
                message: "unsupported Content-Encoding; supported are \(names)",
                acceptEncoding: names)
        }
        return encoding
    }
}
