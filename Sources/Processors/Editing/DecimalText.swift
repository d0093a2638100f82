/// Doubles as text, in the fewest digits that read back as the same number.
enum DecimalText {
    /// As JSON and ECMAScript write numbers: an exponent below 1e-6 and from 1e21 on.
    static func shortest(_ number: Double) -> String {
        let magnitude = number.magnitude
        if number.isInfinite { return number < 0 ? "-Infinity" : "Infinity" }
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
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
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
