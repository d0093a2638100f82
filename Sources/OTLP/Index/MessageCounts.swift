import Bytes

/// How many messages an `Export…ServiceRequest` has that an index notes: known before the index is
/// made, so that its memory can be asked for. Nothing is allocated, and items are passed whole:
/// some 30 instructions each.
public struct MessageCounts: Sendable, Equatable {
    public private(set) var resources = 0
    public private(set) var scopes = 0
    public private(set) var metrics = 0
    /// `Resource`, `InstrumentationScope`, `Gauge`, `Sum` and so on.
    public private(set) var parts = 0
    /// Spans, log records or data points.
    public private(set) var items = 0

    /// Counts up to the first place that is not protobuf: nobody indexes further.
    public init(of bytes: RawSpan, as signal: Signal) {
        do throws(WireError) {
            try countRequest(bytes, signal)
        } catch {}
    }

    /// Messages that enclose others.
    public var frames: Int { resources + scopes + metrics + parts }
    public var total: Int { frames + items }

    /// What an index over them takes, at most.
    public var indexBytes: Int {
        frames * MemoryLayout<Frame>.stride + resources * MemoryLayout<ResourceEntry>.stride
            + scopes * MemoryLayout<ScopeEntry>.stride
            + metrics * MemoryLayout<MetricEntry>.stride
            + items * MemoryLayout<ItemEntry>.stride
    }

    private mutating func countRequest(_ bytes: RawSpan, _ signal: Signal) throws(WireError) {
        var reader = WireReader(ByteRange(start: 0, end: bytes.byteCount))
        while let field = try reader.next(in: bytes) {
            guard field.number == 1 else { continue }
            resources += 1
            var resource = WireReader(try field.bytes())
            while let field = try resource.next(in: bytes) {
                switch field.number {
                case 1: parts += 1
                case 2: try countScope(field.bytes(), bytes, signal)
                default: continue
                }
            }
        }
    }

    private mutating func countScope(
        _ range: ByteRange, _ bytes: RawSpan, _ signal: Signal
    ) throws(WireError) {
        scopes += 1
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: parts += 1
            case 2 where signal == .metrics: try countMetric(field.bytes(), bytes)
            case 2: items += 1
            default: continue
            }
        }
    }

    private mutating func countMetric(_ range: ByteRange, _ bytes: RawSpan) throws(WireError) {
        metrics += 1
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            guard [5, 7, 9, 10, 11].contains(field.number) else { continue }
            parts += 1
            var data = WireReader(try field.bytes())
            while let field = try data.next(in: bytes) {
                if field.number == 1 { items += 1 }
            }
        }
    }
}
