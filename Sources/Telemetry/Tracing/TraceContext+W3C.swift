import Bytes
import OTLP

// version-format   = trace-id "-" parent-id "-" trace-flags
// traceparent      = version "-" version-format
// 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
// (W3C Trace Context Level 2, section 3.2.2: digits are lower case)

extension TraceContext {
    private static let headerBytes = 55
    private static let hyphenOffsets = [2, 35, 52]

    /// Reads the two headers of a request.
    ///
    /// A header that is wrong in any way is treated as absent, as W3C asks; a wrong `tracestate`
    /// does not take a good `traceparent` with it.
    /// - Parameters:
    ///   - traceparent: the header's value. Twice in a request is as wrong as malformed: the
    ///     caller gives `nil` then.
    ///   - traceState: all values of `tracestate`, in their order.
    public init?(traceparent: String?, traceState: [String] = []) {
        guard let traceparent else { return nil }
        let bytes = Array(traceparent.utf8)
        guard bytes.count >= Self.headerBytes, let version = Self.number(bytes[0..<2]),
            version != 0xff
        else { return nil }
        // A later version may say more after the flags, behind another hyphen.
        let isComplete = bytes.count == Self.headerBytes
        guard isComplete || (version > 0 && bytes[Self.headerBytes] == UInt8(ascii: "-")),
            Self.hyphenOffsets.allSatisfy({ bytes[$0] == UInt8(ascii: "-") }),
            let high = Self.number(bytes[3..<19]), let low = Self.number(bytes[19..<35]),
            let spanID = Self.number(bytes[36..<52]), let flags = Self.number(bytes[53..<55])
        else { return nil }
        self.init(
            traceID: TraceID(high: high, low: low), spanID: SpanID(spanID),
            flags: Flags(rawValue: UInt8(flags)),
            traceState: TraceState.parse(traceState) ?? "")
    }

    /// The header's value for an outgoing request, in version 00.
    public var traceparent: String {
        let digits = String(flags.rawValue, radix: 16)
        return "00-\(traceID)-\(spanID)-\(digits.utf8.count < 2 ? "0" : "")\(digits)"
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for digit in digits {
            guard let value = Hexadecimal.value(lowercase: digit) else { return nil }
            number = number << 4 | UInt64(value)
        }
        return number
    }
}
