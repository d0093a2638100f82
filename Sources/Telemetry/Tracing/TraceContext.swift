public import OTLP

/// Where a request stands in a trace that spans several processes (W3C Trace Context, Level 2).
public struct TraceContext: Sendable, Equatable {
    /// Never zero.
    public let traceID: TraceID
    /// Never zero.
    public let spanID: SpanID
    public let flags: Flags
    /// The vendors' state, valid and at most 512 bytes long; empty for none.
    public let traceState: String

    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The caller may have recorded the trace.
        public static let sampled = Flags(rawValue: 0x01)
        /// The low 56 bits of the trace id are random.
        public static let randomTraceID = Flags(rawValue: 0x02)
        /// Those that Level 2 defines; others must not be passed on.
        static let known: Flags = [.sampled, .randomTraceID]
    }

    /// `nil` for an identifier that is all zero, which W3C and OTLP call invalid.
    public init?(
        traceID: TraceID, spanID: SpanID, flags: Flags, traceState: String = ""
    ) {
        guard !traceID.isZero, !spanID.isZero else { return nil }
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags.intersection(.known)
        self.traceState = traceState
    }

    public var isSampled: Bool { flags.contains(.sampled) }

    /// The same trace, at another span.
    /// - Parameter spanID: not zero.
    public func at(spanID: SpanID) -> TraceContext {
        guard
            let context = TraceContext(
                traceID: traceID, spanID: spanID, flags: flags, traceState: traceState)
        else { preconditionFailure("BUG: a span id of zero") }
        return context
    }
}
