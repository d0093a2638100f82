import Bytes
import OTLP

/// Values as text, as the Collector's `AsString` gives them: what `convert` to string writes, and
/// what patterns and hashes see of values that are no strings.
extension AnyValue {
    /// Strings as they are; numbers in their shortest form; lists and maps as JSON with sorted
    /// keys; bytes in base64; nothing for no value.
    func text(in bytes: RawSpan) -> String {
        switch self {
        case .empty: ""
        case .string(let text): bytes.string(text)
        case .bool(let flag): flag ? "true" : "false"
        case .int(let number): String(number)
        case .double(let number): DecimalText.shortest(number)
        case .bytes(let range): Self.base64(bytes, range)
        case .array, .map: json(in: bytes)
        }
    }

    // The index has refused values that are nested deeper than `TelemetryIndex.valueDepthMax`.
    private func json(in bytes: RawSpan) -> String {
        switch self {
        case .empty: return "null"
        case .string(let text): return Self.quoted(bytes.string(text))
        case .bytes(let range): return Self.quoted(Self.base64(bytes, range))
        case .bool, .int: return text(in: bytes)
        case .double(let number):
            let text = DecimalText.shortest(number)
            return number.isFinite ? text : Self.quoted(text)
        case .array(let range):
            var parts: [String] = []
            var reader = ValueReader(array: range)
            while let element = reader.next(in: bytes) { parts.append(element.json(in: bytes)) }
            return "[\(parts.joined(separator: ","))]"
        case .map(let range):
            var parts: [(key: String, value: String)] = []
            var reader = AttributeReader(map: range)
            while let entry = reader.next(in: bytes) {
                parts.append((bytes.string(entry.key), entry.value(in: bytes).json(in: bytes)))
            }
            parts.sort { $0.key < $1.key }
            let members = parts.map { "\(Self.quoted($0.key)):\($0.value)" }
            return "{\(members.joined(separator: ","))}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// RFC 4648, section 4.
    private static func base64(_ bytes: RawSpan, _ range: ByteRange) -> String {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 3) {
            let count = min(3, range.upperBound - start)
            var group: UInt32 = 0
            for index in 0..<3 {
                group = group << 8 | (index < count ? UInt32(bytes.byte(at: start + index)) : 0)
            }
            for index in 0..<4 {
                let digit = alphabet[Int(group >> UInt32(18 - 6 * index)) & 63]
                text.append(index <= count ? digit : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Doubles as text, in the fewest digits that read back as the same number.
enum DecimalText {
    /// As JSON and ECMAScript write numbers: an exponent below 1e-6 and from 1e21 on.
    static func shortest(_ number: Double) -> String {
        let magnitude = number.magnitude
        guard number.isFinite, magnitude != 0, magnitude < 1e-6 || magnitude >= 1e21 else {
            return positional(number)
        }
        let (digits, exponent) = parts(magnitude)
        let fraction = digits.dropFirst()
        let sign = number < 0 ? "-" : ""
        let point = fraction.isEmpty ? "" : "."
        let power = exponent - 1
        return "\(sign)\(digits.prefix(1))\(point)\(fraction)e\(power < 0 ? "" : "+")\(power)"
    }

    /// Never with an exponent, as attributes are compared with patterns.
    static func positional(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Infinity" : "Infinity" }
        let sign = number.sign == .minus ? "-" : ""
        let (digits, exponent) = parts(number.magnitude)
        if exponent <= 0 {
            return digits.isEmpty
                ? sign + "0" : "\(sign)0.\(String(repeating: "0", count: -exponent))\(digits)"
        }
        if exponent >= digits.count {
            return sign + digits + String(repeating: "0", count: exponent - digits.count)
        }
        return "\(sign)\(digits.prefix(exponent)).\(digits.dropFirst(exponent))"
    }

    /// The digits without zeros at either end, and where the point stands: 0.0012 is ("12", -2).
    private static func parts(_ magnitude: Double) -> (digits: String, exponent: Int) {
        // Swift's description has the shortest digits: 123.0, 1e-05, 1.5e+300.
        let halves = "\(magnitude)".split(separator: "e")
        let mantissa = halves[0].split(separator: ".", omittingEmptySubsequences: false)
        var exponent = (halves.count > 1 ? Int(halves[1]) ?? 0 : 0) + mantissa[0].count
        var digits = String(mantissa.joined())
        while digits.hasSuffix("0") { digits.removeLast() }
        while digits.hasPrefix("0") {
            digits.removeFirst()
            exponent -= 1
        }
        return (digits, digits.isEmpty ? 0 : exponent)
    }
}
