import Synchronization

/// A value that is asked for when metrics are read: for what somebody else counts already.
public final class Observable: Sendable {
    /// Not the function itself: `Mutex` is generic, and each access would convert it there and
    /// back, and leave a thunk around it each time.
    private struct Source {
        let read: @Sendable () -> Double
    }

    private let source = Mutex<Source?>(nil)
    private let suffix: SampleSuffix

    init(isCounter: Bool) {
        suffix = isCounter ? .counter : .plain
    }

    /// Says where the value comes from. Given again, by a component that a reload has rebuilt,
    /// the later source replaces the earlier one.
    public func observe(_ source: @escaping @Sendable () -> Double) {
        self.source.withLock { $0 = Source(read: source) }
    }
}

extension Observable: Instrument {
    /// Without a source there is no sample: an absent series, not a false zero.
    func write(_ samples: inout SampleWriter) {
        // Called outside the lock, so that a source may take locks of its own.
        guard let source = source.withLock({ $0 }) else { return }
        samples.write(suffix, .double(source.read()))
    }
}
