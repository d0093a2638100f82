import Bytes
public import DurableLog
public import OTLP
public import Platform
public import Telemetry

/// A batch that waits for an exporter: bytes alone, as the log holds it. The bytes are validated
/// OTLP, and shared between the queues that hold them.
public struct QueuedBatch: Sendable {
    public let signal: Signal
    /// An `Export…ServiceRequest`.
    public let payload: [UInt8]
    public let itemCount: Int
    public let enqueuedAt: Instant
    /// Wall time, nanoseconds since 1970.
    public let receivedAt: UInt64
    /// Of the request that brought it: an outgoing request continues this trace.
    public let trace: TraceContext?
    /// The record that it is in its log.
    public let origin: BatchOrigin?
    /// Where a destination that knows what it has remembers this: its place in its log, or in the
    /// replay, for what comes again although it is there, and for what was set aside.
    public let place: BatchPlace?
    /// Where the batch is a part of its record: which of its items they are. Nil for all.
    public private(set) var itemsOfRecord: Range<Int>?
    /// A piece of a record whose last piece is still to come.
    public private(set) var isUnfinished = false
    /// Indices of items that were set aside and are not to be delivered, in ascending order. Only
    /// an exporter that answers `.exclude` ever sees any.
    public private(set) var excludedItems: [Int] = []
    /// What became of those.
    private(set) var exclusionTotals = CursorTotals()
    /// What it was set aside as, where it is sent again because of that. It has no origin then.
    let letter: ResentLetter?

    public init(
        signal: Signal, payload: [UInt8], itemCount: Int, enqueuedAt: Instant,
        receivedAt: UInt64 = 0, trace: TraceContext? = nil, origin: BatchOrigin? = nil
    ) {
        self.init(
            signal: signal, payload: payload, itemCount: itemCount, enqueuedAt: enqueuedAt,
            receivedAt: receivedAt, trace: trace, origin: origin, letter: nil,
            place: origin.map { BatchPlace(log: $0.log.name, position: $0.ledgerPosition) })
    }

    private init(
        signal: Signal, payload: [UInt8], itemCount: Int, enqueuedAt: Instant,
        receivedAt: UInt64, trace: TraceContext?, origin: BatchOrigin?, letter: ResentLetter?,
        place: BatchPlace?
    ) {
        self.signal = signal
        self.payload = payload
        self.itemCount = itemCount
        self.enqueuedAt = enqueuedAt
        self.receivedAt = receivedAt
        self.trace = trace
        self.origin = origin
        self.letter = letter
        self.place = place
    }
}

extension QueuedBatch {
    /// What was set aside, to be sent again.
    public init(_ entry: DeadLetterEntry, _ replay: ReplayTally) throws(DeadLetterEntry.Damage) {
        let payload = try entry.payload()
        var itemCount = entry.itemCount
        // A person may have changed the telemetry. What has ended the process is not looked into.
        if case .json = entry.content {
            var index = TelemetryIndex()
            guard (try? index.rebuild(over: payload.rawSpan, as: entry.signal)) != nil else {
                throw DeadLetterEntry.Damage(description: "the telemetry is not valid")
            }
            itemCount = index.items.count
        }
        self.init(
            signal: entry.signal, payload: payload, itemCount: itemCount, enqueuedAt: .now,
            receivedAt: 0, trace: nil, origin: nil,
            letter: ResentLetter(
                replay: replay, pipeline: entry.pipeline, position: entry.position),
            place: BatchPlace(log: entry.pipeline, position: replay.nextPosition()))
    }

    /// - Parameter totals: what became of the items, those that were excluded apart.
    func settle(as totals: CursorTotals) {
        let totals = totals + exclusionTotals
        origin?.settle(as: totals)
        letter?.replay.settle(as: totals)
    }

    /// Items that are to be delivered.
    public var wantedItemCount: Int { itemCount - excludedItems.count }

    mutating func exclude(_ items: [Int], as totals: CursorTotals) {
        let known = Set(excludedItems)
        precondition(
            items.allSatisfy { (0..<itemCount).contains($0) && !known.contains($0) },
            "BUG: an exporter excludes an item that it was not given")
        excludedItems = (excludedItems + items).sorted()
        exclusionTotals = exclusionTotals + totals
    }

    /// Some of the items, in a request of their own.
    func part(_ payload: [UInt8], items: Range<Int>) -> QueuedBatch {
        var part = QueuedBatch(
            signal: signal, payload: payload, itemCount: items.count, enqueuedAt: enqueuedAt,
            receivedAt: receivedAt, trace: trace, origin: origin, letter: letter, place: place)
        let first = (itemsOfRecord?.lowerBound ?? 0) + items.lowerBound
        part.itemsOfRecord = first..<first + items.count
        // Their totals stay with the whole, which is what is settled.
        part.excludedItems = excludedItems.filter(items.contains).map { $0 - items.lowerBound }
        return part
    }

    func piece(_ piece: PayloadPieces.Piece, isLast: Bool) -> QueuedBatch {
        var part = part(piece.payload, items: piece.items)
        part.isUnfinished = !isLast
        return part
    }

    /// Whether there is memory for an index over it.
    var isIndexable: Bool {
        payload.count < Self.countedBytesMin
            || MessageCounts(of: payload.rawSpan, as: signal).indexBytes
                <= DeliveryMemory.lotBytesMax
    }

    /// A smaller payload has an index of 20 MiB at most.
    private static let countedBytesMin = 512 << 10

    /// What is left of it; nil where that is nothing.
    func withoutExcluded() -> QueuedBatch? {
        guard wantedItemCount > 0 else { return nil }
        guard !excludedItems.isEmpty, let indexed = indexed() else { return self }
        var edit = PayloadEdit()
        for item in excludedItems { edit.removeItem(item) }
        return QueuedBatch(
            signal: signal, payload: edit.apply(to: payload, index: indexed.index),
            itemCount: wantedItemCount, enqueuedAt: enqueuedAt, receivedAt: receivedAt,
            trace: trace, origin: origin, letter: letter, place: place)
    }

    /// Those of the items that were not set aside before.
    func withoutExcluded(_ rejected: [Delivery.Rejected]) -> [Delivery.Rejected] {
        guard !excludedItems.isEmpty else { return rejected }
        let excluded = Set(excludedItems)
        return rejected.flatMap { rejection in
            rejection.items.filter { !excluded.contains($0) }.map {
                Delivery.Rejected(items: $0..<$0 + 1, reason: rejection.reason)
            }
        }
    }

    /// With an index that says where items stand, and nothing of what is in them. Nil where the
    /// bytes are not what they were when they were taken.
    public func indexed() -> Batch? {
        var index = TelemetryIndex()
        guard (try? index.rebuildOutline(over: payload.rawSpan, as: signal)) != nil else {
            return nil
        }
        return Batch(payload: payload, index: index)
    }
}

/// A batch's name in a ledger, for ever.
public struct BatchPlace: Sendable {
    /// The pipeline.
    public let log: String
    public let position: LogPosition
}

/// A dead letter that is sent again.
struct ResentLetter: Sendable {
    let replay: ReplayTally
    let pipeline: String
    let position: DeadLetter.Position?
}

/// Where in which log a batch comes from: its name for ever.
public struct BatchOrigin: Sendable {
    public let log: DurableLog
    public let position: LogPosition
    let cursor: LogCursor
    /// Of what is sent again: then the cursor stays where it is.
    var replay: ReplayTally?
    /// Whether a destination that knows what it has takes it again all the same.
    public var isForced = false

    /// What is forced is another delivery of the record, and has a place of its own.
    fileprivate var ledgerPosition: LogPosition {
        guard isForced, let replay else { return position }
        return replay.nextPosition()
    }

    /// Of the exporter, however often that is renamed.
    public var cursorName: String { cursor.name }

    func settle(as totals: CursorTotals) {
        if let replay { return replay.settle(as: totals) }
        cursor.settle(position, as: totals)
    }
}

extension QueuedBatch {
    init(_ placed: PlacedRecord, from log: DurableLog, _ cursor: LogCursor) {
        self.init(
            placed, BatchOrigin(log: log, position: placed.position, cursor: cursor))
    }

    /// A record that is sent again.
    public init(
        _ placed: PlacedRecord, from log: DurableLog, _ cursor: LogCursor, replay: ReplayTally,
        isForced: Bool
    ) {
        self.init(
            placed,
            BatchOrigin(
                log: log, position: placed.position, cursor: cursor, replay: replay,
                isForced: isForced))
    }

    private init(_ placed: PlacedRecord, _ origin: BatchOrigin) {
        let record = placed.record
        // The log hands out no other: on the disk it is damage, and in memory are ours alone.
        guard let signal = Signal(rawValue: record.signal) else {
            preconditionFailure("BUG: the log handed out a record of a signal that nobody knows")
        }
        let now = SystemClock().unixNanoseconds
        let age = now - min(now, record.receivedAt)
        // Read once: a record may be older than the machine's start.
        let uptime = Instant.now.nanoseconds
        self.init(
            signal: signal, payload: record.payload, itemCount: record.itemCount,
            enqueuedAt: Instant(nanoseconds: uptime - min(age, uptime)),
            receivedAt: record.receivedAt, trace: TraceContext(attachment: record.attachment),
            origin: origin)
    }
}

/// What of a request's context is kept beside its payload: a sequence of type (1 byte), length (2)
/// and content. Type 1 is trace id, span id and flags; type 2 the trace state.
extension TraceContext {
    private static let contextType: UInt8 = 1
    private static let contextBytes = 25
    private static let stateType: UInt8 = 2
    private static let headBytes = 3

    var attachment: [UInt8] {
        var bytes = [Self.contextType, UInt8(Self.contextBytes), 0]
        for word in [traceID.high, traceID.low, spanID.word] {
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
        bytes.append(flags.rawValue)
        // W3C allows 512 bytes, to which the state has been cut.
        let state = Array(traceState.utf8)
        guard !state.isEmpty else { return bytes }
        bytes += [Self.stateType, UInt8(state.count & 0xFF), UInt8(state.count >> 8)]
        return bytes + state
    }

    /// Nil where there is no context in it.
    init?(attachment: [UInt8]) {
        let bytes = attachment.rawSpan
        var offset = 0
        var context: Int?
        var state = ""
        while offset + Self.headBytes <= attachment.count {
            let start = offset + Self.headBytes
            let end = start + Int(attachment[offset + 1]) + Int(attachment[offset + 2]) << 8
            guard end <= attachment.count else { break }
            switch attachment[offset] {
            case Self.contextType where end - start == Self.contextBytes: context = start
            case Self.stateType: state = bytes.string(ByteRange(start: start, end: end))
            default: break
            }
            offset = end
        }
        guard let context else { return nil }
        self.init(
            traceID: TraceID(in: bytes, at: context), spanID: SpanID(in: bytes, at: context + 16),
            flags: Flags(rawValue: attachment[context + 24]), traceState: state)
    }
}
