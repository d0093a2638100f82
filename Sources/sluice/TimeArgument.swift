import Configuration
import Platform

/// A moment as a person writes it: `2026-11-20T16:40:38Z`, seconds since 1970, `10m ago`, `now`.
enum TimeArgument {
    /// Wall time, nanoseconds since 1970; nil where the text is none.
    static func parse(_ text: String, now: UInt64) -> UInt64? {
        if text == "now" { return now }
        if text.hasSuffix(" ago") {
            guard let ago = try? GoDuration.parse(String(text.dropLast(" ago".count))),
                ago >= .zero
            else { return nil }
            let nanoseconds = UInt64(
                clamping: ago.components.seconds * 1_000_000_000
                    + ago.components.attoseconds / 1_000_000_000)
            return now - min(nanoseconds, now)
        }
        if let seconds = UInt64(text) {
            let (result, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
            return overflow ? nil : result
        }
        return rfc3339(text)
    }

    // RFC 3339, 5.6: full-date "T" partial-time time-offset
    private static func rfc3339(_ text: String) -> UInt64? {
        let bytes = Array(text.utf8)
        let isShaped = zip(bytes, "0000-00-00T00:00:00".utf8).allSatisfy { byte, form in
            form == UInt8(ascii: "0") ? digit(byte) != nil : byte == form || (byte | 0x20) == 0x74
        }
        guard bytes.count >= 20, isShaped else { return nil }
        let number = { (range: Range<Int>) in bytes[range].reduce(0) { $0 * 10 + Int($1 & 15) } }
        let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        guard year >= 1970, (1...12).contains(month), (1...daysIn(month, of: year)).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var rest = bytes[19...]
        var nanoseconds = 0
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { digit($0) != nil }
            guard !digits.isEmpty, digits.count <= 9 else { return nil }
            nanoseconds = digits.reduce(0) { $0 * 10 + Int($1 & 15) }
            for _ in digits.count..<9 { nanoseconds *= 10 }
            rest = rest.dropFirst(1 + digits.count)
        }
        guard let offset = offset(Array(rest)) else { return nil }
        let days = daysBefore(year, month) + day - 1
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
        guard seconds >= 0, seconds < Int.max / 1_000_000_000 - 1 else { return nil }
        return UInt64(seconds * 1_000_000_000 + nanoseconds)
    }

    /// Seconds; `Z` or `+hh:mm`.
    private static func offset(_ bytes: [UInt8]) -> Int? {
        if bytes == [UInt8(ascii: "Z")] || bytes == [UInt8(ascii: "z")] { return 0 }
        guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"),
            let sign = [UInt8(ascii: "+"): 1, UInt8(ascii: "-"): -1][bytes[0]]
        else { return nil }
        let digits = [1, 2, 4, 5].compactMap { digit(bytes[$0]) }
        guard digits.count == 4 else { return nil }
        return sign * ((digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60)
    }

    private static func digit(_ byte: UInt8) -> Int? {
        (0x30...0x39).contains(byte) ? Int(byte & 15) : nil
    }

    private static func daysIn(_ month: Int, of year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }

    /// Days from 1970 to the first of a month.
    private static func daysBefore(_ year: Int, _ month: Int) -> Int {
        let leaps = { (year: Int) in year / 4 - year / 100 + year / 400 }
        let toYear = (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
        return (1..<month).reduce(toYear) { $0 + daysIn($1, of: year) }
    }
}
