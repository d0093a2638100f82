public import Bytes

// tracestate  = list-member 0*31( OWS "," OWS list-member )     W3C Trace Context, 3.3.1
// list-member = key "=" value
// ot's value  = key ":" value *( ";" key ":" value )            OpenTelemetry, TraceState Handling
//               th:c;rv:6e6d1a75832a2f                          OTEP 235

/// What a span's trace state says about sampling, and where everything else in it stands.
public struct SamplingTraceState: Sendable {
    public static let bytesMax = 1024
    public static let membersMax = 32
    public static let valueBytesMax = 256

    public private(set) var threshold: SamplingThreshold?
    public private(set) var randomness: SamplingRandomness?
    /// As it was written, which may be in upper case.
    private var randomnessText: ByteRange = .none
    /// `ot`'s other members, and other vendors', verbatim and in order.
    private var otherFields: [ByteRange] = []
    private var vendors: [ByteRange] = []

    public init() {}

    /// - Parameter keepingOthers: false where only threshold and randomness are asked for: then
    ///   nothing is allocated, and `text` leaves out what else stood there.
    /// - Returns: nil where the text is no trace state, or `ot`'s part of it is not as specified.
    public init?(_ text: ByteRange, keepingOthers: Bool = true, in bytes: RawSpan) {
        guard text.count <= Self.bytesMax else { return nil }
        var memberCount = 0
        var parts = Parts(text, separator: UInt8(ascii: ","))
        while let part = parts.next(in: bytes) {
            let member = Self.trimmed(part, in: bytes)
            if member.isEmpty { continue }
            memberCount += 1
            guard memberCount <= Self.membersMax,
                let equals = Self.first(UInt8(ascii: "="), in: member, bytes)
            else { return nil }
            let key = ByteRange(start: member.lowerBound, end: equals)
            let value = ByteRange(start: equals + 1, end: member.upperBound)
            guard Self.isKey(key, in: bytes), Self.isValue(value, in: bytes) else { return nil }
            if bytes.equals("ot", in: key) {
                guard readOwn(value, keepingOthers: keepingOthers, in: bytes) else { return nil }
            } else if keepingOthers {
                vendors.append(member)
            }
        }
    }

    private mutating func readOwn(
        _ value: ByteRange, keepingOthers: Bool, in bytes: RawSpan
    ) -> Bool {
        var fields = Parts(value, separator: UInt8(ascii: ";"))
        while let field = fields.next(in: bytes) {
            guard let colon = Self.first(UInt8(ascii: ":"), in: field, bytes) else { return false }
            let key = ByteRange(start: field.lowerBound, end: colon)
            let text = ByteRange(start: colon + 1, end: field.upperBound)
            guard Self.isFieldKey(key, in: bytes), Self.isFieldValue(text, in: bytes) else {
                return false
            }
            if bytes.equals("th", in: key) {
                threshold = SamplingThreshold(text, in: bytes)
                if threshold == nil { return false }
            } else if bytes.equals("rv", in: key) {
                randomness = SamplingRandomness(text, in: bytes)
                if randomness == nil { return false }
                randomnessText = text
            } else if keepingOthers {
                otherFields.append(field)
            }
        }
        return true
    }

    /// The text with this threshold, and with `newRandomness` where it had none. `ot` goes first,
    /// as what was changed has to; where that makes 33 members the last one gives way (W3C, 3.5).
    public func text(
        _ threshold: SamplingThreshold, newRandomness: SamplingRandomness?, in bytes: RawSpan
    ) -> [UInt8] {
        var text = Array("ot=".utf8)
        if randomness != nil {
            text += Array("rv:".utf8) + bytes.array(randomnessText) + Array(";".utf8)
        } else if let newRandomness {
            text += Array("rv:".utf8)
            newRandomness.append(to: &text)
            text.append(UInt8(ascii: ";"))
        }
        text += Array("th:".utf8)
        threshold.append(to: &text)
        for field in otherFields {
            text.append(UInt8(ascii: ";"))
            text.append(bytes, field.lowerBound..<field.upperBound)
        }
        for vendor in vendors.prefix(Self.membersMax - 1) {
            text.append(UInt8(ascii: ","))
            text.append(bytes, vendor.lowerBound..<vendor.upperBound)
        }
        return text
    }
}

extension SamplingTraceState {
    /// The parts of a text that a separator stands between; a text without any is one part.
    private struct Parts {
        private var rest: ByteRange?
        private let separator: UInt8

        init(_ text: ByteRange, separator: UInt8) {
            rest = text
            self.separator = separator
        }

        mutating func next(in bytes: RawSpan) -> ByteRange? {
            guard let text = rest else { return nil }
            guard let end = SamplingTraceState.first(separator, in: text, bytes) else {
                rest = nil
                return text
            }
            rest = ByteRange(start: end + 1, end: text.upperBound)
            return ByteRange(start: text.lowerBound, end: end)
        }
    }

    private static func first(_ byte: UInt8, in text: ByteRange, _ bytes: RawSpan) -> Int? {
        (text.lowerBound..<text.upperBound).first { bytes.byte(at: $0) == byte }
    }

    private static func trimmed(_ text: ByteRange, in bytes: RawSpan) -> ByteRange {
        func isBlank(_ offset: Int) -> Bool {
            bytes.byte(at: offset) == UInt8(ascii: " ") || bytes.byte(at: offset) == 9
        }
        var (start, end) = (text.lowerBound, text.upperBound)
        while start < end, isBlank(start) { start += 1 }
        while start < end, isBlank(end - 1) { end -= 1 }
        return ByteRange(start: start, end: end)
    }

    private static func all(
        _ text: ByteRange, _ bytes: RawSpan, _ isAllowed: (UInt8) -> Bool
    ) -> Bool {
        (text.lowerBound..<text.upperBound).allSatisfy { isAllowed(bytes.byte(at: $0)) }
    }

    private static func isLower(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "a") < 26 }
    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    // simple-key = lcalpha 0*255( lcalpha / DIGIT / "_" / "-" / "*" / "/" )
    // multi-tenant-key = tenant-id "@" system-id, of which the tenant may start with a digit.
    private static func isKey(_ key: ByteRange, in bytes: RawSpan) -> Bool {
        guard !key.isEmpty, key.count <= 256 else { return false }
        let at = first(UInt8(ascii: "@"), in: key, bytes)
        let name = ByteRange(start: at.map { $0 + 1 } ?? key.lowerBound, end: key.upperBound)
        guard !name.isEmpty, isLower(bytes.byte(at: name.lowerBound)), areKeyBytes(name, bytes)
        else { return false }
        guard let at else { return true }
        let tenant = ByteRange(start: key.lowerBound, end: at)
        guard !tenant.isEmpty, tenant.count <= 241, name.count <= 14 else { return false }
        let initial = bytes.byte(at: tenant.lowerBound)
        return (isLower(initial) || isDigit(initial)) && areKeyBytes(tenant, bytes)
    }

    private static func areKeyBytes(_ text: ByteRange, _ bytes: RawSpan) -> Bool {
        all(text, bytes) { isLower($0) || isDigit($0) || "_-*/".utf8.contains($0) }
    }

    // value = 0*255( %x20-2B / %x2D-3C / %x3E-7E ), not ending in a blank, which trimming took.
    private static func isValue(_ value: ByteRange, in bytes: RawSpan) -> Bool {
        !value.isEmpty && value.count <= valueBytesMax
            && all(value, bytes) {
                (0x20...0x7E).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=")
            }
    }

    private static func isFieldKey(_ key: ByteRange, in bytes: RawSpan) -> Bool {
        !key.isEmpty && isLower(bytes.byte(at: key.lowerBound))
            && all(key, bytes) { isLower($0) || isDigit($0) }
    }

    private static func isFieldValue(_ value: ByteRange, in bytes: RawSpan) -> Bool {
        all(value, bytes) { byte in
            isLower(byte | 0x20) || isDigit(byte) || "._-".utf8.contains(byte)
        }
    }
}
