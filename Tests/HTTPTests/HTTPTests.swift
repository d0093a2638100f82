@testable import HTTP

/// Feeds a decoder and writes down what it does, one line an action.
struct Transcript {
    var decoder: HTTPRequestDecoder
    var lines: [String] = []
    let bodyBytesMax: Int

    init(limits: HTTPLimits = HTTPLimits(), bodyBytesMax: Int = 1000) {
        decoder = HTTPRequestDecoder(limits: limits)
        self.bodyBytesMax = bodyBytesMax
    }

    mutating func feed(_ bytes: [UInt8]) {
        var offset = 0
        while true {
            // SAFETY: a view of bytes as bytes, which the array outlives.
            switch decoder.next(unsafe bytes.span.bytes, from: &offset) {
            case .needMoreBytes: return
            case .decide(let head): decide(head)
            case .handle(let request):
                lines.append("handle \(request.head.target) \(text(request.body))")
            case .reject(let rejection, _):
                lines.append("reject \(rejection.status.code) \(rejection.message)")
            case .close: lines.append("close")
            }
        }
    }

    private mutating func decide(_ head: HTTPRequestHead) {
        lines.append("head \(head.method.rawValue) \(head.target) \(head.headers.count)")
        if head.path == "/refuse" {
            decoder.refuse()
            lines.append("refused \(decoder.keepsAlive)")
            return
        }
        switch decoder.accept(bodyBytesMax: bodyBytesMax) {
        case .proceed: break
        case .sendContinue: lines.append("continue")
        case .tooLarge:
            decoder.refuse()
            lines.append("too large \(decoder.keepsAlive)")
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// What becomes of `input` when it comes in pieces of `size` bytes.
    static func of(
        _ input: String, piecesOf size: Int = .max, limits: HTTPLimits = HTTPLimits(),
        bodyBytesMax: Int = 1000
    ) -> [String] {
        var transcript = Transcript(limits: limits, bodyBytesMax: bodyBytesMax)
        var rest = Array(input.utf8)[...]
        while !rest.isEmpty {
            transcript.feed(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return transcript.lines
    }
}

/// A request with the one field that it needs.
func request(_ line: String, _ fields: String..., body: String = "") -> String {
    ([line, "Host: a"] + fields).map { $0 + "\r\n" }.joined() + "\r\n" + body
}
