import OTLP

/// Writes Sluice's own log.
///
/// A value: cheap to copy, safe to share, and refined on the way down with `component(…)`.
/// Messages and keys are literals; whatever varies is a field. So a message names its kind for
/// rate limiting, and a secret cannot slip in by interpolation.
///
///     log.info("listening", LogField("endpoint", endpoint))
///     log.rateLimited.warn("request refused", LogField("status", 413), trace: context)
public struct Logger: Sendable {
    private let output: LogOutput
    private var isRateLimited = false
    private var origin: [(key: String, value: LogValue)] = []
    private var component = ""

    /// - Parameter output: where lines go, shared by every logger made from this one.
    public init(_ output: LogOutput) {
        self.output = output
    }

    /// A logger for one component of the configuration.
    /// - Parameters:
    ///   - id: as configured, such as `otlp_http/backup`.
    ///   - kind: `receiver`, `processor`, `exporter` or `extension`.
    ///   - pipeline: such as `traces`, where the component serves only one.
    public func component(_ id: String, kind: String, pipeline: String? = nil) -> Logger {
        var refined = self
        refined.component = id
        refined.origin = [("component", .string(id)), ("kind", .string(kind))]
        if let pipeline { refined.origin.append(("pipeline", .string(pipeline))) }
        return refined
    }

    /// The same logger for what a peer can cause as often as it likes: of each kind of message the
    /// first is written, then one line per window tells how many more there were.
    public var rateLimited: Logger {
        var limited = self
        limited.isRateLimited = true
        return limited
    }

    public func isEnabled(_ level: LogLevel) -> Bool { level >= output.level }

    public func debug(
        _ message: StaticString, _ fields: LogField..., trace: TraceContext? = nil
    ) {
        log(.debug, message, fields, trace: trace)
    }

    public func info(_ message: StaticString, _ fields: LogField..., trace: TraceContext? = nil) {
        log(.info, message, fields, trace: trace)
    }

    public func warn(_ message: StaticString, _ fields: LogField..., trace: TraceContext? = nil) {
        log(.warn, message, fields, trace: trace)
    }

    public func error(
        _ message: StaticString, _ fields: LogField..., trace: TraceContext? = nil
    ) {
        log(.error, message, fields, trace: trace)
    }

    /// The four above, for a level that is only known at run time.
    public func log(
        _ level: LogLevel, _ message: StaticString, _ fields: [LogField],
        trace: TraceContext? = nil
    ) {
        guard isEnabled(level) else { return }
        let text = message.description
        guard !isRateLimited || output.admits(component: component, message: text, level: level)
        else { return }
        var all = origin
        if let trace {
            all.append(("trace_id", .string(trace.traceID.description)))
            all.append(("span_id", .string(trace.spanID.description)))
        }
        for field in fields { all.append((field.key.description, field.value)) }
        output.write(level: level, message: text, fields: all)
    }
}
