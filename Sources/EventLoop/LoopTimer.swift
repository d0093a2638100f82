public import Platform

/// A deadline that belongs to no descriptor. Of the loop's thread alone.
public final class LoopTimer: EventHandler {
    private let loop: EventLoop
    private let passed: () -> Void
    private var id: RegistrationID?

    /// - Parameter passed: called when a deadline has passed, and kept until `close`.
    public init(_ loop: EventLoop, passed: @escaping () -> Void) {
        self.loop = loop
        self.passed = passed
        id = loop.registerTimer(self)
    }

    /// Takes the place of the deadline before; `nil` takes that away.
    public func set(_ deadline: Instant?) {
        if let id { loop.setDeadline(id, deadline) }
    }

    /// Lets go of the loop, which keeps the timer until then. No call follows.
    public func close() {
        if let id { loop.deregister(id) }
        id = nil
    }

    public func eventsArrived(_ events: Events) {
        preconditionFailure("BUG: a timer has no descriptor")
    }

    public func deadlinePassed() { passed() }
}
