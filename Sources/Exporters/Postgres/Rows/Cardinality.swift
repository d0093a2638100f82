import Bytes
import Synchronization

/// The limits of metric series and operations per service, for all threads of an exporter.
///
/// A series beyond its limit becomes the one series of its metric, resource and scope whose only
/// attribute is `otel.metric.overflow`, as in OpenTelemetry's SDKs; a span beyond it shows its
/// operation as `other`. Each gateway counts for itself.
final class Cardinality: Sendable {
    enum Kind: String, Sendable {
        case series
        case operation
    }

    /// What was folded of one service.
    struct Folded: Equatable, Sendable {
        let kind: Kind
        let service: String
        /// Data points or spans.
        let count: Int
    }

    /// Services that are named in what was folded; further ones count as `other`.
    static let namedServicesMax = 100
    /// Of all services together, unless one service alone may have more: what memory is for.
    static let seriesMax = 1_000_000
    static let operationsMax = 200_000

    private let state: Mutex<State>

    private struct State {
        var series: CardinalityLimit
        var operations: CardinalityLimit
        var folded: [Key: Int] = [:]
        /// Ever, so that a metric's labels have a limit too.
        var named: Set<String> = []
    }

    private struct Key: Hashable {
        let kind: Kind
        let service: String
    }

    init(seriesPerService: Int = 100_000, operationsPerService: Int = 1_000) {
        state = Mutex(
            State(
                series: CardinalityLimit(
                    countMax: seriesPerService, totalMax: max(Self.seriesMax, seriesPerService)),
                operations: CardinalityLimit(
                    countMax: operationsPerService,
                    totalMax: max(Self.operationsMax, operationsPerService))))
    }

    /// What services and operations are known by.
    static func hash(service: [UInt8]) -> UInt64 {
        ContentHash.of(service.rawSpan, ByteRange(start: 0, end: service.count), .fixed)
    }

    @inline(__always)
    static func hash(operation name: ByteRange, of service: UInt64, _ bytes: RawSpan) -> UInt64 {
        var hash = ContentHash(seed: service, .fixed)
        hash.combine(bytes, name)
        return hash.value
    }

    func admits(series id: Int64, of service: UInt64, now: UInt64) -> Bool {
        state.withLock {
            $0.series.admits(UInt64(bitPattern: id), of: service, now: now)
        }
    }

    func admits(operation hash: UInt64, of service: UInt64, now: UInt64) -> Bool {
        state.withLock { $0.operations.admits(hash, of: service, now: now) }
    }

    /// Series that the database has, so that a restart refuses none of them: those seen within the
    /// last day. `now` is in Unix nanoseconds.
    func seed(series ids: some Sequence<Int64>, ofService name: String, now: UInt64) {
        let service = Self.hash(service: Array(name.utf8))
        state.withLock { state in
            for id in ids {
                _ = state.series.admits(UInt64(bitPattern: id), of: service, now: now)
            }
        }
    }

    func note(_ count: Int, _ kind: Kind, foldedOf service: [UInt8]) {
        guard count > 0 else { return }
        let name = String(decoding: service, as: UTF8.self)
        state.withLock { state in
            if state.named.count < Self.namedServicesMax { state.named.insert(name) }
            let shown = state.named.contains(name) ? name : "other"
            state.folded[Key(kind: kind, service: shown), default: 0] += count
        }
    }

    /// What was folded since it was last asked for: for a metric, and a line in the log.
    func takeFolded() -> [Folded] {
        state.withLock { state in
            defer { state.folded.removeAll() }
            return state.folded.map {
                Folded(kind: $0.key.kind, service: $0.key.service, count: $0.value)
            }
        }
    }
}
