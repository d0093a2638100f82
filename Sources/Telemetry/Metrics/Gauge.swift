import Synchronization

/// A whole number that goes up and down: a queue's size, requests in flight.
public final class Gauge: Sendable {
    private let current = Atomic<Int>(0)

    init() {}

    public func set(_ value: Int) { current.store(value, ordering: .relaxed) }
    public func add(_ amount: Int = 1) { current.wrappingAdd(amount, ordering: .relaxed) }
    public func subtract(_ amount: Int = 1) {
        current.wrappingSubtract(amount, ordering: .relaxed)
    }

    public var value: Int { current.load(ordering: .relaxed) }
}

extension Gauge: Instrument {
    func write(_ samples: inout SampleWriter) {
        samples.write(.plain, .signed(value))
    }
}
