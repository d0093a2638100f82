internal import Glibc

/// State behind a lock, with a way to wait until it changes: what a bounded queue is made of.
///
/// Whoever changes the state in a way that another may be waiting for calls `notifyOne` or
/// `notifyAll` afterwards. Use `Mutex` where nobody waits.
@safe public final class Monitor<State>: @unchecked Sendable {
    // SAFETY: `state` is touched only while `mutex` is held; the mutex and the condition are
    // allocated once, never move, and are destroyed with the monitor, when nobody refers to it.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    public init(_ state: sending State) {
        self.state = state
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe condition.initialize(to: pthread_cond_t())
        unsafe pthread_mutex_init(mutex, nil)
        // Deadlines are on the monotonic clock: a jump of the wall clock must not end a wait.
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    public func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock()
        defer { unlock() }
        return try body(&state)
    }

    /// Calls `attempt` under the lock, now and after each notification, until it returns a value;
    /// `nil` when the deadline (on the system's monotonic clock) came first.
    public func wait<Result>(
        until deadline: Instant? = nil, _ attempt: (inout State) -> Result?
    ) -> Result? {
        lock()
        defer { unlock() }
        while true {
            if let result = attempt(&state) { return result }
            guard let deadline else {
                unsafe pthread_cond_wait(condition, mutex)
                continue
            }
            guard deadline > .now else { return nil }
            var time = timespec(
                tv_sec: Int(deadline.nanoseconds / 1_000_000_000),
                tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
            _ = unsafe pthread_cond_timedwait(condition, mutex, &time)
        }
    }

    /// Wakes one waiter.
    public func notifyOne() { unsafe pthread_cond_signal(condition) }

    /// Wakes all waiters.
    public func notifyAll() { unsafe pthread_cond_broadcast(condition) }

    private func lock() {
        let result = unsafe pthread_mutex_lock(mutex)
        precondition(result == 0, "BUG: a monitor's lock is broken")
    }

    private func unlock() {
        let result = unsafe pthread_mutex_unlock(mutex)
        precondition(result == 0, "BUG: a monitor was unlocked by a thread that doesn't hold it")
    }
}
