import OTLP
import Platform

/// A bounded queue in memory: it acknowledges at once, and what it holds dies with the process.
public final class MemoryQueue: ExportQueue {
    private struct State {
        /// One queue a signal: a lot of one signal need not stop at the first batch of another.
        var waiting: [FIFO<QueuedBatch>] = Signal.allCases.map { _ in FIFO() }
        /// Sizes of what waits, and of what waits or is reserved or under delivery.
        var waitingItems = [0, 0, 0]
        var waitingBytes = [0, 0, 0]
        /// Batches that have room, and were not appended yet.
        var reserved = 0
        var batches = 0
        var items = 0
        var bytes = 0
        var itemsBySignal = [0, 0, 0]
        /// When the batches under delivery came, by lot.
        var underDelivery: [Instant] = []
        var isClosed = false
        /// What the consumers wait for; nil before the first of them does.
        var limits: LotLimits?
    }

    private enum Step {
        case lot(Lot, isMoreWaiting: Bool)
        case notBefore(Instant)
        case end
    }

    private let capacity: Int
    private let sizer: DeliverySettings.Sizer
    private let bytesMax: Int
    private let state = Monitor(State())

    /// - Parameters:
    ///   - capacity: in the unit of `sizer`.
    ///   - bytesMax: of payload, whatever the sizer counts.
    public init(capacity: Int, sizer: DeliverySettings.Sizer, bytesMax: Int) {
        self.capacity = capacity
        self.sizer = sizer
        self.bytesMax = bytesMax
    }

    public func reserve(_ size: BatchSize) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            let isEmpty = state.batches == 0
            let used = measure(batches: state.batches, items: state.items, bytes: state.bytes)
            let wanted = measure(batches: 1, items: size.items, bytes: size.bytes)
            // An empty queue takes any one batch: refusing it would be refusing it for ever.
            guard isEmpty || (used + wanted <= capacity && state.bytes + size.bytes <= bytesMax)
            else { return false }
            state.reserved += 1
            state.batches += 1
            state.items += size.items
            state.bytes += size.bytes
            return true
        }
    }

    public func cancel(_ size: BatchSize) {
        state.withLock { state in
            state.reserved -= 1
            state.batches -= 1
            state.items -= size.items
            state.bytes -= size.bytes
        }
        state.notifyAll()
    }

    public func append(_ batch: QueuedBatch, whenKept: @escaping @Sendable () -> Void) {
        let wakes = state.withLock { state in
            precondition(state.reserved > 0, "BUG: appended to a queue without a reservation")
            state.reserved -= 1
            let signal = Int(batch.signal.rawValue)
            let wasEmpty = state.waiting[signal].isEmpty
            state.waiting[signal].append(batch)
            state.waitingItems[signal] += batch.itemCount
            state.waitingBytes[signal] += batch.payload.count
            state.itemsBySignal[signal] += batch.itemCount
            // Consumers that wait for a lot to grow need not look at each batch: they wake by
            // themselves when it is time. To wake a thread costs as much as to take ten spans.
            return wasEmpty || state.isClosed || isFull(state, signal)
        }
        if wakes { state.notifyOne() }
        whenKept()
    }

    public func nextLot(_ limits: LotLimits) -> Lot? {
        var deadline: Instant?
        while true {
            let step: Step? = state.wait(until: deadline) { state in
                state.limits = limits
                return switch take(limits, from: &state) {
                // The wait goes on: until it is time, or until something changes.
                case .notBefore(let time) where time == deadline: nil
                case let step: step
                }
            }
            switch step {
            case .lot(let lot, let isMoreWaiting):
                // The rest is another consumer's business: it may have to wait for its time.
                if isMoreWaiting { state.notifyOne() }
                return lot
            case .end: return nil
            case .notBefore(let time): deadline = time
            case nil: deadline = nil
            }
        }
    }

    public func finish(_ lot: Lot) {
        let isClosed = state.withLock { state in
            for batch in lot.batches {
                state.batches -= 1
                state.items -= batch.itemCount
                state.bytes -= batch.payload.count
                state.itemsBySignal[Int(batch.signal.rawValue)] -= batch.itemCount
            }
            if let first = lot.batches.first,
                let position = state.underDelivery.firstIndex(of: first.enqueuedAt)
            {
                state.underDelivery.swapAt(position, state.underDelivery.count - 1)
                state.underDelivery.removeLast()
            }
            return state.isClosed
        }
        // Consumers that wait for the end look again.
        if isClosed { state.notifyAll() }
    }

    public func close() {
        state.withLock { $0.isClosed = true }
        state.notifyAll()
    }

    public var status: QueueStatus {
        state.withLock { state in
            var status = QueueStatus()
            status.batches = state.batches
            status.items = state.items
            status.bytes = state.bytes
            status.itemsBySignal = state.itemsBySignal
            status.oldest =
                (state.underDelivery + state.waiting.compactMap(\.first?.enqueuedAt)).min()
            status.size = measure(
                batches: state.batches, items: state.items, bytes: state.bytes)
            status.capacity = capacity
            status.isFull =
                state.batches > 0 && (status.size >= capacity || state.bytes >= bytesMax)
            return status
        }
    }

    private func measure(batches: Int, items: Int, bytes: Int) -> Int {
        switch sizer {
        case .requests: batches
        case .items: items
        case .bytes: bytes
        }
    }

    /// A lot, if one is ready; else when the oldest batch will have waited long enough; nil where
    /// there is nothing to wait for but a change.
    private func take(_ limits: LotLimits, from state: inout State) -> Step? {
        let oldest = state.waiting.indices
            .compactMap { signal in state.waiting[signal].first.map { ($0.enqueuedAt, signal) } }
            .min { $0.0 < $1.0 }
        guard let (since, signal) = oldest else {
            // A request that has room when the queue is closed still brings its batch.
            return state.isClosed && state.reserved == 0 ? .end : nil
        }
        let ripe = since + limits.waitMax
        guard isFull(state, signal) || state.isClosed || ripe <= .now else {
            return .notBefore(ripe)
        }
        let signals = limits.mixesSignals ? Array(state.waiting.indices) : [signal]
        let lot = fill(limits, signals, from: &state)
        state.underDelivery.append(since)
        return .lot(lot, isMoreWaiting: state.waiting.contains { !$0.isEmpty })
    }

    /// Whether what waits beside the signal's batches is enough for a lot.
    private func isFull(_ state: State, _ signal: Int) -> Bool {
        guard let limits = state.limits else { return true }
        var items = state.waitingItems[signal]
        var bytes = state.waitingBytes[signal]
        if limits.mixesSignals {
            items = state.waitingItems.reduce(0, +)
            bytes = state.waitingBytes.reduce(0, +)
        }
        return items >= limits.itemsMin && bytes >= limits.bytesMin
    }

    private func fill(_ limits: LotLimits, _ signals: [Int], from state: inout State) -> Lot {
        var lot = Lot([])
        var items = 0
        var bytes = 0
        // Always the oldest first, so that no signal waits behind another.
        while lot.batches.count < limits.batchesMax,
            let signal = signals.filter({ !state.waiting[$0].isEmpty }).min(by: {
                state.waiting[$0].first!.enqueuedAt < state.waiting[$1].first!.enqueuedAt
            }),
            let next = state.waiting[signal].first
        {
            items += next.itemCount
            bytes += next.payload.count
            let fits = items <= limits.itemsMax && bytes <= limits.bytesMax
            guard lot.batches.isEmpty || fits else { break }
            _ = state.waiting[signal].popFirst()
            state.waitingItems[signal] -= next.itemCount
            state.waitingBytes[signal] -= next.payload.count
            lot.batches.append(next)
        }
        return lot
    }
}
