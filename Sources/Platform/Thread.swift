internal import CShims
internal import Glibc
internal import Synchronization

/// A named POSIX thread. It must be joined before the last reference to it goes.
///
/// It blocks every signal that a process can be sent, so that those arrive where `SignalDescriptor`
/// waits for them; faults of the thread's own (`SIGSEGV`, `SIGILL` …) still end the process.
public final class Thread: Sendable {
    private let handle: pthread_t
    private let joined = Atomic<Bool>(false)

    /// Starts at once.
    /// - Parameters:
    ///   - name: shown by `ps -L` and debuggers; cut to the kernel's 15 bytes.
    ///   - stackBytes: room for the thread's stack; only touched pages cost memory.
    public init(
        name: String, stackBytes: Int = 1 << 20, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let start = unsafe Unmanaged.passRetained(ThreadStart(name: name, body: body))
        var handle = pthread_t()
        // SAFETY: `start` is retained for the new thread, which takes it over; when there is no new
        // thread, it is released here. The attributes live until pthread_create has returned.
        let result = withBlockedSignals {
            var attributes = pthread_attr_t()
            unsafe pthread_attr_init(&attributes)
            unsafe pthread_attr_setstacksize(&attributes, stackBytes)
            let result = unsafe pthread_create(
                &handle, &attributes, runThread, start.toOpaque())
            unsafe pthread_attr_destroy(&attributes)
            return result
        }
        guard result == 0 else {
            unsafe start.release()
            throw SystemError(call: "pthread_create", errno: result)
        }
        self.handle = handle
    }

    deinit {
        precondition(
            joined.load(ordering: .acquiring), "BUG: a thread was let go without being joined")
    }

    /// Waits for the thread's end. A second call returns at once.
    public func join() {
        guard !joined.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let result = pthread_join(handle, nil)
        precondition(result == 0, "BUG: a thread joined itself, or a handle was wrong")
    }

    /// True on the thread itself.
    public var isCurrent: Bool { pthread_equal(pthread_self(), handle) != 0 }
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    // SAFETY: Thread.init passed one retained ThreadStart, for this call alone.
    let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
    nameCurrentThread(start.name)
    start.body()
    return nil
}

private func nameCurrentThread(_ name: String) {
    let bytes = name.utf8.prefix(15).map { CChar(bitPattern: $0) } + [0]
    // SAFETY: the array ends in NUL and outlives the call.
    unsafe bytes.withUnsafeBufferPointer { buffer in
        _ = unsafe sluice_name_thread(buffer.baseAddress!)
    }
}

/// A new thread inherits its creator's mask.
private func withBlockedSignals<Result>(_ body: () -> Result) -> Result {
    var blocked = sigset_t()
    var previous = sigset_t()
    // SAFETY: both sets outlive the calls, which fail only for an unknown first argument.
    unsafe sigfillset(&blocked)
    for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS] {
        unsafe sigdelset(&blocked, fault)
    }
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }
    return body()
}

/// A number that differs between all threads that are alive now, and is never 0.
public func currentThreadToken() -> UInt {
    UInt(pthread_self())
}
