import Synchronization

/// A value that is asked for when metrics are read: for what somebody else counts already.
public final class Observable: Sendable {
    private let read = Mutex<(@Sendable () -> Double)?>(nil)
    private let suffix: SampleSuffix

    init(isCounter: Bool) {
        suffix = isCounter ? .counter : .plain
    }

    /// Says where the value comes from. Given again, by a component that a reload has rebuilt,
    /// the later source replaces the earlier one.
    public func observe(_ source: @escaping @Sendable () -> Double) {
        read.withLock { $0 = source }
    }
}

extension Observable: Instrument {
    /// Without a source there is no sample: an absent series, not a false zero.
    func write(_ samples: inout SampleWriter) {
        // Called outside the lock, so that a source may take locks of its own.
        guard let source = read.withLock({ $0 }) else { return }
        samples.write(suffix, .double(source()))
    }
}
