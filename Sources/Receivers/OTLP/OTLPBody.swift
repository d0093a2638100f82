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
