/// How much a line matters. The names are those of `service.telemetry.logs.level`.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warn, error

    /// Reads a level as the configuration writes it; case does not matter, as in the Collector.
    public init?(name: String) {
        let lowercased = name.lowercased()
        guard let level = LogLevel.allCases.first(where: { $0.name == lowercased }) else {
            return nil
        }
        self = level
    }

    public var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warn: "warn"
        case .error: "error"
        }
    }

    public static func < (one: LogLevel, other: LogLevel) -> Bool {
        one.rawValue < other.rawValue
    }
}
