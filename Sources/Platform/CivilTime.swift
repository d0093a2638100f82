internal import Glibc

/// A date and a time of day, for logs, file names and people.
public struct CivilTime: Hashable, Sendable {
    public var year: Int
    public var month: Int
    public var day: Int
    public var hour: Int
    public var minute: Int
    public var second: Int
    /// Below the second.
    public var nanosecond: Int

    /// Nanoseconds since 1970, in UTC or in the machine's time zone.
    public init(unixNanoseconds: UInt64, isLocal: Bool = false) {
        var seconds = time_t(unixNanoseconds / 1_000_000_000)
        var parts = unsafe tm()
        // SAFETY: both arguments outlive the calls, which fill `parts`. They fail only for a year
        // that an int can't hold; 2^64 ns end in 2554.
        if isLocal {
            _ = unsafe localtime_r(&seconds, &parts)
        } else {
            _ = unsafe gmtime_r(&seconds, &parts)
        }
        unsafe year = Int(parts.tm_year) + 1900
        unsafe month = Int(parts.tm_mon) + 1
        unsafe day = Int(parts.tm_mday)
        unsafe hour = Int(parts.tm_hour)
        unsafe minute = Int(parts.tm_min)
        unsafe second = Int(parts.tm_sec)
        nanosecond = Int(unixNanoseconds % 1_000_000_000)
    }

    /// `2026-11-20T16:40:38.123456789Z`, for a time in UTC.
    public var rfc3339: String {
        "\(date)T\(padded(hour)):\(padded(minute)):\(padded(second)).\(padded(nanosecond, 9))Z"
    }

    /// `2026-11-20T16:40:38.123Z`, for a time in UTC: what logs need.
    public var rfc3339Milliseconds: String {
        let milliseconds = padded(nanosecond / 1_000_000, 3)
        return "\(date)T\(padded(hour)):\(padded(minute)):\(padded(second)).\(milliseconds)Z"
    }

    /// `2026-11-20T16-40-38.123`: sorts by time, and fits every file system.
    public var fileNamePart: String {
        let milliseconds = padded(nanosecond / 1_000_000, 3)
        return "\(date)T\(padded(hour))-\(padded(minute))-\(padded(second)).\(milliseconds)"
    }

    private var date: String { "\(padded(year, 4))-\(padded(month))-\(padded(day))" }

    private func padded(_ number: Int, _ count: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.utf8.count)) + digits
    }
}
