import Compression
import HTTP
import OTLP

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
        // Nearly all name one alone, as it is registered.
        if let name = head.headers.only("Content-Encoding"),
            let encoding = encodings.first(where: { HTTPHeaders.isSame(name, $0.name) })
        {
            return encoding
        }
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
