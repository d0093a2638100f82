import Synchronization

/// A count that only grows. Safe from every thread; an increment is one atomic addition.
public final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    init() {}

    public func add(_ amount: Int = 1) {
        precondition(amount >= 0, "a counter never goes down")
        count.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }

    public var value: UInt64 { count.load(ordering: .relaxed) }
}

extension Counter: Instrument {
    func write(_ samples: inout SampleWriter) {
        samples.write(.counter, .unsigned(value))
    }
}
