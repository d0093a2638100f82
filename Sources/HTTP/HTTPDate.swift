/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
public enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// - Parameter seconds: since 1970-01-01T00:00:00Z.
    public static func text(unixSeconds seconds: UInt64) -> String {
        let dayNumber = seconds / 86_400
        let second = seconds % 86_400
        let (year, month, day) = civil(dayNumber)
        let name = days[Int(dayNumber % 7)]
        let time = [second / 3600, second / 60 % 60, second % 60].map(twoDigits)
        return "\(name), \(twoDigits(day)) \(months[Int(month) - 1]) \(year) "
            + time.joined(separator: ":") + " GMT"
    }

    /// The Gregorian date of a day since 1970-01-01. Years begin in March here, so that the leap
    /// day is the last of its year, and 400 years are always 146,097 days.
    private static func civil(_ day: UInt64) -> (year: UInt64, month: UInt64, day: UInt64) {
        // Days between 0000-03-01 and 1970-01-01.
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // March to July and August to December have 153 days each.
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    private static func twoDigits(_ number: UInt64) -> String {
        number < 10 ? "0\(number)" : "\(number)"
    }
}
