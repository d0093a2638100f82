import OTLP

/// One span of a trace before it is written: who called whom, and when.
struct PlannedSpan {
    let operation: Int
    let id: SpanID
    /// Zero for a root.
    let parent: SpanID
    /// Nanoseconds after the trace's start.
    let start: UInt64
    var end: UInt64 = 0
    var hasFailed = false
}

/// A whole trace, planned at once, so that times nest and errors travel from callee to caller.
struct TracePlan {
    private(set) var traceID = TraceID(high: 0, low: 0)
    private(set) var spans: [PlannedSpan] = []
    /// Spans already written: a trace may begin in one request and end in the next.
    var written = 0
    /// When its root began, Unix nanoseconds.
    private(set) var startUnixNanoseconds: UInt64 = 0

    var isWritten: Bool { written == spans.count }

    /// How often a failed call makes its caller fail too.
    private static let propagationPermille = 600

    /// Plans a trace that ends at `endUnixNanoseconds`.
    mutating func plan(
        root: Int, of shop: Shop, latency: LatencyDistribution, endUnixNanoseconds: UInt64,
        _ identifiers: inout IdentifierSource, _ random: inout LoadRandom
    ) {
        spans.removeAll(keepingCapacity: true)
        written = 0
        traceID = identifiers.traceID()
        let (end, _) = add(root, of: shop, latency, below: SpanID(0), at: 0, &identifiers, &random)
        startUnixNanoseconds = endUnixNanoseconds &- end
    }

    /// Recursion ends: operations are a tree, a dozen levels deep, made by `Shop`.
    private mutating func add(
        _ operation: Int, of shop: Shop, _ latency: LatencyDistribution, below parent: SpanID,
        at start: UInt64, _ identifiers: inout IdentifierSource, _ random: inout LoadRandom
    ) -> (end: UInt64, hasFailed: Bool) {
        let index = spans.count
        let id = identifiers.spanID()
        spans.append(PlannedSpan(operation: operation, id: id, parent: parent, start: start))
        let own = latency.nanoseconds(shop.operations[operation].meanMicroseconds, &random)
        var end = start + own / 2
        var hasFailed = random.chance(permille: shop.operations[operation].errorPermille)
        for child in shop.operations[operation].children {
            let (childEnd, childFailed) = add(
                child, of: shop, latency, below: id, at: end, &identifiers, &random)
            end = childEnd
            if childFailed, random.chance(permille: Self.propagationPermille) { hasFailed = true }
        }
        end += own - own / 2
        spans[index].end = end
        spans[index].hasFailed = hasFailed
        return (end, hasFailed)
    }
}
