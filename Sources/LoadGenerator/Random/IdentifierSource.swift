import OTLP

/// Trace and span ids that look random and never repeat within a run.
///
/// An id is a bijection of a counter, and streams (one a connection) count in ranges that do not
/// meet: so uniqueness is certain, not likely. A test can compare what arrived by id.
struct IdentifierSource {
    /// Ids of one stream before it would reach the next one's range.
    private static let streamBits: UInt64 = 44

    private let seed: UInt64
    private var counter: UInt64

    init(seed: UInt64, stream: Int) {
        precondition((0..<(1 << 20)).contains(stream), "streams are connections: few")
        self.seed = LoadRandom.mix(seed &+ 0x9e37_79b9_7f4a_7c15)
        counter = UInt64(stream) << Self.streamBits
    }

    mutating func traceID() -> TraceID {
        let low = nextUnique()
        return TraceID(high: LoadRandom.mix(low ^ seed), low: low)
    }

    mutating func spanID() -> SpanID { SpanID(nextUnique()) }

    /// Never zero, which OTLP calls invalid: the one counter that gives it is stepped over.
    private mutating func nextUnique() -> UInt64 {
        while true {
            counter &+= 1
            let unique = LoadRandom.mix(counter ^ seed)
            if unique != 0 { return unique }
        }
    }
}
