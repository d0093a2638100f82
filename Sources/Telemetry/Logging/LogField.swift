/// A value that may stand in a log line.
///
/// There is no case for "anything printable", on purpose: a header or a `Secret` has no way into
/// a line other than through a `String` that somebody wrote out by hand.
public enum LogValue: Sendable, Equatable {
    case string(String)
    case integer(Int64)
    case unsigned(UInt64)
    case double(Double)
    case boolean(Bool)
    /// Written in seconds, as a decimal number.
    case duration(Duration)
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
}

/// One key and its value. Keys are literals of the program, so that nothing from the wire can
/// become one.
public struct LogField: Sendable {
    public let key: StaticString
    public let value: LogValue

    public init(_ key: StaticString, _ value: LogValue) {
        self.key = key
        self.value = value
    }

    public init(_ key: StaticString, _ value: String) {
        self.init(key, .string(value))
    }

    public init(_ key: StaticString, _ value: some FixedWidthInteger & SignedInteger) {
        self.init(key, .integer(Int64(clamping: value)))
    }

    public init(_ key: StaticString, _ value: some FixedWidthInteger & UnsignedInteger) {
        self.init(key, .unsigned(UInt64(clamping: value)))
    }

    public init(_ key: StaticString, _ value: Duration) {
        self.init(key, .duration(value))
    }
}
