internal import CShims
internal import Glibc

/// Signals as something to read: no handler, and so none of a handler's restrictions.
public struct SignalDescriptor: ~Copyable, Sendable {
    public enum Signal: CInt, Hashable, Sendable, CaseIterable {
        case hangUp = 1
        case interrupt = 2
        case terminate = 15
        case user1 = 10
        case user2 = 12
    }

    private let descriptor: FileDescriptor

    /// From now on the signals wait to be read here. Call it on the main thread before any other
    /// thread starts that isn't a `Thread`: a thread that doesn't block them would be ended by
    /// them.
    public init(_ signals: [Signal]) throws(SystemError) {
        var set = sigset_t()
        // SAFETY: the set outlives the calls.
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal.rawValue) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        let raw = try systemCall("signalfd") {
            unsafe signalfd(-1, &set, CInt(O_NONBLOCK | O_CLOEXEC))
        }
        descriptor = FileDescriptor(owning: raw)
    }

    /// The next signal, waiting for it until the deadline.
    public borrowing func next(until deadline: Instant? = nil) throws(SystemError) -> Signal? {
        let raw = descriptor.rawValue
        while true {
            var info = signalfd_siginfo()
            // SAFETY: the structure has the size that is read, and outlives the call.
            let count = try nonblockingCall("read") {
                unsafe read(raw, &info, MemoryLayout<signalfd_siginfo>.size)
            }
            if count != nil, let signal = Signal(rawValue: CInt(info.ssi_signo)) { return signal }
            guard try descriptor.wait(for: CInt(POLLIN), until: deadline) else { return nil }
        }
    }
}
