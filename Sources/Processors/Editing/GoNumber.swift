/// Numbers in text as Go's `strconv` reads them, which is what `convert` is known for.
///
/// Source: https://pkg.go.dev/strconv#ParseFloat,
/// https://go.dev/ref/spec#Floating-point_literals
enum GoNumber {
    /// nil for a text that is no number, or one whose number is beyond the largest.
    static func double(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        guard let digits = wellFormed(bytes) else { return special(text) }
        // Underscores stand between digits, where they say nothing.
        guard let number = Double(String(decoding: digits, as: UTF8.self)), number.isFinite else {
            return nil
        }
        return number
    }

    /// `nan`, and `inf` or `infinity` with an optional sign, in any case.
    private static func special(_ text: String) -> Double? {
        switch text.lowercased() {
        case "nan": .nan
        case "inf", "+inf", "infinity", "+infinity": .infinity
        case "-inf", "-infinity": -.infinity
        default: nil
        }
    }

    /// The text without its underscores; nil where it is no literal. A hexadecimal one needs an
    /// exponent, which is binary.
    private static func wellFormed(_ bytes: [UInt8]) -> [UInt8]? {
        var rest = bytes[...]
        if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") {
            rest.removeFirst()
        }
        let isHexadecimal =
            rest.count > 2 && rest.first == UInt8(ascii: "0")
            && rest[rest.startIndex + 1] | 0x20 == UInt8(ascii: "x")
        if isHexadecimal { rest.removeFirst(2) }
        let whole = digits(&rest, isHexadecimal: isHexadecimal)
        var fraction: ArraySlice<UInt8> = []
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = digits(&rest, isHexadecimal: isHexadecimal)
        }
        guard hasDigit(whole) || hasDigit(fraction) else { return nil }
        let mark = isHexadecimal ? UInt8(ascii: "p") : UInt8(ascii: "e")
        var exponent: ArraySlice<UInt8>?
        if let first = rest.first, first | 0x20 == mark {
            rest.removeFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") {
                rest.removeFirst()
            }
            exponent = digits(&rest, isHexadecimal: false)
            guard let exponent, hasDigit(exponent) else { return nil }
        }
        guard rest.isEmpty, !isHexadecimal || exponent != nil else { return nil }
        // The base prefix counts as a digit before an underscore.
        let isSeparated =
            isSeparated(whole, afterDigit: isHexadecimal)
            && isSeparated(fraction, afterDigit: false)
            && isSeparated(exponent ?? [], afterDigit: false)
        return isSeparated ? bytes.filter { $0 != UInt8(ascii: "_") } : nil
    }

    private static func digits(
        _ rest: inout ArraySlice<UInt8>, isHexadecimal: Bool
    ) -> ArraySlice<UInt8> {
        let digits = rest.prefix { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
                isHexadecimal
            default: false
            }
        }
        rest = rest.dropFirst(digits.count)
        return digits
    }

    private static func hasDigit(_ digits: ArraySlice<UInt8>) -> Bool {
        digits.contains { $0 != UInt8(ascii: "_") }
    }

    /// Whether each underscore has a digit on both sides.
    private static func isSeparated(_ digits: ArraySlice<UInt8>, afterDigit: Bool) -> Bool {
        var wasDigit = afterDigit
        for byte in digits {
            if byte == UInt8(ascii: "_"), !wasDigit { return false }
            wasDigit = byte != UInt8(ascii: "_")
        }
        return digits.isEmpty || wasDigit
    }
}
