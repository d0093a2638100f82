public import Platform
import Synchronization

/// Where all loggers of a process write: level, look, sink and the table for rate limits.
public final class LogOutput: Sendable {
    /// How long lines of one kind are held back after the first.
    public static let rateLimitWindow = Duration.seconds(10)

    private let writer: LogLineWriter
    private let sink: LogSink
    private let clock: any Clock
    private let levelIndex: Atomic<Int>
    private let limiter = Mutex(LogRateLimiter(window: LogOutput.rateLimitWindow))
    private let lost = Atomic<UInt64>(0)

    /// - Parameter sink: takes each line; `StandardError.sink` outside tests.
    public init(
        level: LogLevel, encoding: LogEncoding, clock: any Clock, sink: @escaping LogSink
    ) {
        writer = LogLineWriter(encoding: encoding)
        self.sink = sink
        self.clock = clock
        levelIndex = Atomic(level.rawValue)
    }

    /// Lines below it are not written. A reload may change it.
    public var level: LogLevel {
        get { LogLevel(rawValue: levelIndex.load(ordering: .relaxed))! }
        set { levelIndex.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Lines that the sink did not take.
    public var linesLost: UInt64 { lost.load(ordering: .relaxed) }

    /// Tells how many lines were held back in the windows that have ended. To be called every
    /// few seconds, and once with `all` at the end, so that no count is left untold.
    public func reportSuppressed(all: Bool = false) {
        let now = all ? nil : clock.now
        for suppressed in limiter.withLock({ $0.takeSuppressed(now: now) }) {
            report(suppressed.count, suppressed.key, level: suppressed.level)
        }
    }

    func admits(component: String, message: String, level: LogLevel) -> Bool {
        let key = LogRateLimiter.Key(component: component, message: message)
        let now = clock.now
        switch limiter.withLock({ $0.admit(key, level: level, now: now) }) {
        case .write: return true
        case .suppress: return false
        case .writeAfterSuppressed(let count):
            report(count, key, level: level)
            return true
        }
    }

    func write(level: LogLevel, message: String, fields: [(key: String, value: LogValue)]) {
        let record = LogRecord(
            unixNanoseconds: clock.unixNanoseconds, level: level, message: message, fields: fields)
        if !sink(writer.line(record)) { lost.wrappingAdd(1, ordering: .relaxed) }
    }

    private func report(_ count: Int, _ key: LogRateLimiter.Key, level: LogLevel) {
        var fields: [(key: String, value: LogValue)] = []
        if !key.component.isEmpty { fields.append(("component", .string(key.component))) }
        fields.append(("suppressed", .integer(Int64(count))))
        fields.append(("window_seconds", .integer(Self.rateLimitWindow.components.seconds)))
        write(level: level, message: "more of: \(key.message)", fields: fields)
    }
}
