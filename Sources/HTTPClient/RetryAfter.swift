/// The value of a `Retry-After` field (RFC 9110, section 10.2.3): seconds or a date.
public enum RetryAfter: Hashable, Sendable {
    case seconds(Int)
    /// Seconds since 1970-01-01T00:00:00Z.
    case date(unixSeconds: Int64)

    /// Longer delays are taken for this one: a mistyped date must not stop an exporter for years.
    public static let delaySecondsMax = 86_400

    /// Returns `nil` for anything else, such as a fraction or a negative number.
    public init?(parsing value: some StringProtocol) {
        let bytes = value.utf8
        if let first = bytes.first, first.isDigit, bytes.allSatisfy(\.isDigit) {
            // More digits than an Int has are longer than the limit as well.
            self = .seconds(min(Int(value) ?? Self.delaySecondsMax, Self.delaySecondsMax))
            return
        }
        guard let date = HTTPDateParser.unixSeconds(value) else { return nil }
        self = .date(unixSeconds: date)
    }

    /// The time to wait from `unixNanoseconds` on, from zero for a date in the past to
    /// ``delaySecondsMax``.
    public func delay(unixNanoseconds: UInt64) -> Duration {
        switch self {
        case .seconds(let seconds):
            return .seconds(seconds)
        case .date(let unixSeconds):
            let limit = Duration.seconds(Self.delaySecondsMax)
            let until = Duration.seconds(unixSeconds)
            let now = Duration.nanoseconds(Int64(clamping: unixNanoseconds))
            return min(max(until - now, .zero), limit)
        }
    }
}

extension UInt8 {
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
}
