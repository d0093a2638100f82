/// Durations as Go writes them, which is how the Collector's users know them: `200ms`, `1m30s`.
///
/// Source: https://pkg.go.dev/time#ParseDuration
public enum GoDuration {
    /// What Go can hold: 2^63 - 1 nanoseconds, 292 years.
    public static let max = Duration.nanoseconds(Int64.max)

    public enum ParseError: Error, Hashable {
        case missingUnit
        case unknownUnit(String)
        case tooLong
        case notADuration
    }

    /// A sign, then numbers each with an optional fraction and a unit; or a bare `0`.
    public static func parse(_ text: String) throws(ParseError) -> Duration {
        var rest = Array(text.utf8)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        if rest.elementsEqual("0".utf8) { return .zero }
        guard !rest.isEmpty else { throw .notADuration }
        var nanoseconds: Int64 = 0
        while !rest.isEmpty {
            let (sum, overflow) = nanoseconds.addingReportingOverflow(try parseElement(&rest))
            if overflow { throw .tooLong }
            nanoseconds = sum
        }
        return .nanoseconds(isNegative ? -nanoseconds : nanoseconds)
    }

    /// The shortest form: `1m30s`, `1.5s`, `200ms`, `0s`.
    public static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        if seconds < 0 || attoseconds < 0 { return "-" + format(.zero - duration) }
        let nanoseconds = attoseconds / 1_000_000_000
        if seconds == 0 {
            if nanoseconds == 0 { return "0s" }
            if nanoseconds < 1_000 { return "\(nanoseconds)ns" }
            if nanoseconds < 1_000_000 { return decimal(nanoseconds, per: 1_000) + "µs" }
            return decimal(nanoseconds, per: 1_000_000) + "ms"
        }
        var text = ""
        if seconds >= 3600 { text += "\(seconds / 3600)h" }
        if seconds / 60 % 60 != 0 { text += "\(seconds / 60 % 60)m" }
        if seconds % 60 != 0 || nanoseconds != 0 {
            let belowMinute = seconds % 60 * 1_000_000_000 + nanoseconds
            text += decimal(belowMinute, per: 1_000_000_000) + "s"
        }
        return text
    }

    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000),
        ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    private static func parseElement(_ rest: inout ArraySlice<UInt8>) throws(ParseError) -> Int64 {
        let whole = digits(&rest)
        var fraction: ArraySlice<UInt8> = []
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = digits(&rest)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { throw .notADuration }
        let unitBytes = rest.prefix { !isDigit($0) && $0 != UInt8(ascii: ".") }
        rest = rest.dropFirst(unitBytes.count)
        guard !unitBytes.isEmpty else { throw .missingUnit }
        let name = String(decoding: unitBytes, as: UTF8.self)
        guard let unit = units.first(where: { $0.name == name })?.nanoseconds else {
            throw .unknownUnit(name)
        }
        guard let count = whole.isEmpty ? 0 : Int64(String(decoding: whole, as: UTF8.self)) else {
            throw .tooLong
        }
        let (nanoseconds, overflow) = count.multipliedReportingOverflow(by: unit)
        let (sum, overflow2) = nanoseconds.addingReportingOverflow(scaled(fraction, by: unit))
        if overflow || overflow2 { throw .tooLong }
        return sum
    }

    /// The decimal fraction `.fraction` of a unit, rounded down to nanoseconds.
    private static func scaled(_ fraction: ArraySlice<UInt8>, by unit: Int64) -> Int64 {
        // Digits past the twelfth are worth less than 4 ns of an hour. 1e12 times an hour's 3.6e12
        // overflows, hence the wide product; value < power, so that the quotient fits.
        let digits = fraction.prefix(12)
        let value = digits.reduce(Int64(0)) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        let power = digits.reduce(Int64(1)) { power, _ in power * 10 }
        return power.dividingFullWidth(value.multipliedFullWidth(by: unit)).quotient
    }

    private static func digits(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let digits = rest.prefix(while: isDigit)
        rest = rest.dropFirst(digits.count)
        return digits
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func decimal(_ value: Int64, per unit: Int64) -> String {
        var fraction = String(value % unit + unit).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return fraction.isEmpty ? "\(value / unit)" : "\(value / unit).\(fraction)"
    }
}
