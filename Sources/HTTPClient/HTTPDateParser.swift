/// A date in one of the three forms that a recipient must read (RFC 9110, section 5.6.7):
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and
/// `Sun Nov  6 08:49:37 1994`, all of them in UTC.
enum HTTPDateParser {
    /// Seconds since 1970-01-01T00:00:00Z, or `nil` for anything else. The day's name is not
    /// compared with the date: the date is what counts.
    static func unixSeconds(_ text: some StringProtocol) -> Int64? {
        guard text.utf8.count <= bytesMax else { return nil }
        let words = text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "-" })
        // The two forms with a comma have the order day, month, year, time and the zone GMT.
        let isDayFirst = words.count == 6 && words[5] == "GMT"
        guard isDayFirst || words.count == 5 else { return nil }
        let (dayText, monthText, timeText, yearText) =
            isDayFirst
            ? (words[1], words[2], words[4], words[3]) : (words[2], words[1], words[3], words[4])
        guard
            let day = number(dayText, digits: 1...2),
            let month = months.firstIndex(of: String(monthText)),
            let year = year(yearText),
            let seconds = secondsOfDay(timeText),
            (1...dayCount(month: month + 1, year: year)).contains(day)
        else { return nil }
        return daysSince1970(year: year, month: month + 1, day: day) * 86_400 + seconds
    }

    /// The longest form with the longest day's name has 33.
    private static let bytesMax = 40

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Two digits are of the years 1970 to 2069.
    private static func year(_ text: some StringProtocol) -> Int64? {
        if text.utf8.count == 2, let year = number(text, digits: 2...2) {
            return year < 70 ? 2000 + year : 1900 + year
        }
        return number(text, digits: 4...4)
    }

    private static func secondsOfDay(_ text: some StringProtocol) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3,
            let hour = number(parts[0], digits: 2...2), hour < 24,
            let minute = number(parts[1], digits: 2...2), minute < 60,
            // 60 is a leap second.
            let second = number(parts[2], digits: 2...2), second <= 60
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    private static func number(
        _ text: some StringProtocol, digits: ClosedRange<Int>
    ) -> Int64? {
        guard digits.contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit) else { return nil }
        return Int64(text)
    }

    private static func dayCount(month: Int, year: Int64) -> Int64 {
        let isLeapYear = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return switch month {
        case 2: isLeapYear ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// In the proleptic Gregorian calendar. The year is counted from March, so that the day that
    /// comes and goes is its last: months then begin at floor((153 m + 2) / 5) days.
    private static func daysSince1970(year: Int64, month: Int, day: Int64) -> Int64 {
        let year = month > 2 ? year : year - 1
        let monthFromMarch = Int64((month + 9) % 12)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        // 0000-03-01 is 719,468 days before 1970-01-01.
        return 365 * year + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    }
}
