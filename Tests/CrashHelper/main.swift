import Glibc
import Platform

// Ends as it is told, for the tests of `CrashMark`: a process of its own, because a test's process
// has handlers and threads that a crash must not meet.
//
//     CrashHelper PATH trap|abort|segment|overflow|wait

runHelper()

/// A named function: what stands at top level belongs to the main actor.
nonisolated func runHelper() {
    let arguments = CommandLine.arguments
    // A core file would be left behind.
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    // A sanitizer, or Swift's backtraces, may have put their own here.
    for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT] {
        _ = signal(number, SIG_DFL)
    }
    // Threads of the tests, one of which is this process's parent, block signals.
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_UNBLOCK, &all, nil)
    alarm(30)
    guard arguments.count == 3, let mark = try? CrashMark(path: arguments[1]),
        (try? mark.install()) != nil
    else { exit(2) }
    mark.withSlot { slot in
        slot.note(
            RecordRange(log: 7, epoch: (.max, 0x0123_4567_89AB_CDEF), first: 41, last: 43))
        commit(arguments[2])
    }
}

nonisolated func commit(_ fault: String) {
    switch fault {
    case "trap": preconditionFailure("on purpose")
    case "abort": abort()
    case "segment": unsafe UnsafeMutablePointer<UInt8>(bitPattern: 16)!.pointee = 1
    case "overflow": exit(CInt(truncatingIfNeeded: sum(to: .max)))
    default:
        var ready: UInt8 = 1
        _ = unsafe write(1, &ready, 1)
        while true { pause() }
    }
}

/// Not in constant stack: something is left to do after each call.
@inline(never)
nonisolated func sum(to number: Int) -> Int {
    number == 0
        ? 0
        : unsafe withUnsafeTemporaryAllocation(of: Int.self, capacity: 64) { buffer in
            unsafe buffer.initialize(repeating: number)
            return unsafe sum(to: number - 1) ^ buffer[number & 63]
        }
}
