import Glibc
import Testing

@testable import Platform

private let someRecords = RecordRange(
    log: 7, epoch: (.max, 0x0123_4567_89AB_CDEF), first: 41, last: 43)

@Suite struct CrashMarkTests {
    @Test func `A thread that faults leaves what it was handling, and others leave nothing`() throws
    {
        try withScratch { directory in
            let path = directory + "/crash"
            let mark = try CrashMark(path: path, slots: 3)
            let other = RecordRange(log: 1, epoch: (2, 3), first: 4, last: 4)
            let state = Monitor(0)
            let busy = try Thread(name: "busy") {
                mark.withSlot { slot in
                    slot.note(other)
                    state.withLock { $0 = 1 }
                    state.notifyAll()
                    _ = state.wait { $0 == 2 ? true : nil }
                }
            }
            _ = state.wait { $0 == 1 ? true : nil }
            mark.withSlot { slot in
                slot.note(other)
                slot.clear()
                #expect(!mark.recordCrash(signal: SIGSEGV))
                slot.note(someRecords)
                #expect(mark.recordCrash(signal: SIGSEGV))
            }
            #expect(!mark.recordCrash(signal: SIGSEGV))
            state.withLock { $0 = 2 }
            state.notifyAll()
            busy.join()
            #expect(
                try CrashMark.crashes(at: path) == [.init(signal: SIGSEGV, records: someRecords)])
            // The next process begins anew.
            _ = try CrashMark(path: path, slots: 2)
            #expect(try CrashMark.crashes(at: path) == [])
        }
    }

    @Test func `Slots are given back, and a thread that gets none goes on without`() throws {
        try withScratch { directory in
            let mark = try CrashMark(path: directory + "/crash", slots: 1)
            for _ in 0..<3 {
                mark.withSlot { slot in
                    slot.note(someRecords)
                    mark.withSlot { none in
                        none.note(someRecords)
                        none.clear()
                    }
                    #expect(mark.recordCrash(signal: SIGILL))
                }
            }
        }
    }

    @Test func `A file of another form says nothing, at any length`() throws {
        try withScratch { directory in
            let path = directory + "/crash"
            #expect(try CrashMark.crashes(at: path) == [])
            let mark = try CrashMark(path: path, slots: 2)
            for _ in 0..<2 {
                mark.withSlot { slot in
                    slot.note(someRecords)
                    _ = mark.recordCrash(signal: SIGBUS)
                }
            }
            let bytes = try FileSystem.read(path, bytesMax: 1000)
            #expect(bytes.count == 64 * 3)
            #expect(CrashMark.crashes(in: bytes).count == 1)
            for count in 0..<128 {
                #expect(CrashMark.crashes(in: Array(bytes[..<count])) == [])
            }
            for offset in 0..<12 {
                var other = bytes
                other[offset] ^= 1
                #expect(CrashMark.crashes(in: other) == [])
            }
            try FileSystem.replace(path, with: Array(repeating: 1, count: 1 << 20))
            #expect(try CrashMark.crashes(at: path) == [])
        }
    }

    enum Fault: CaseIterable { case trap, abort, segment, overflow }

    @Test(.disabled(if: hasThreadSanitizer, withoutFork), arguments: Fault.allCases)
    func `A process that faults dies of it, and the next one knows why`(fault: Fault) throws {
        try withScratch { directory in
            let path = directory + "/crash"
            let mark = try CrashMark(path: path)
            let child = try fork {
                try? mark.install()
                mark.withSlot { slot in
                    slot.note(someRecords)
                    commit(fault)
                }
            }
            let status = wait(for: child)
            // The status of a process that a signal has ended is the signal's number.
            #expect([SIGILL, SIGTRAP, SIGABRT, SIGSEGV].contains(status))
            #expect(
                try CrashMark.crashes(at: path) == [.init(signal: status, records: someRecords)])
        }
    }

    @Test(.disabled(if: hasThreadSanitizer, withoutFork), arguments: [SIGKILL, SIGSEGV, SIGABRT])
    func `A signal from outside is not the record's fault`(signal: CInt) throws {
        try withScratch { directory in
            let path = directory + "/crash"
            let mark = try CrashMark(path: path)
            var ends: [CInt] = [0, 0]
            #expect(unsafe pipe(&ends) == 0)
            let readEnd = FileDescriptor(owning: ends[0])
            let writeEnd = FileDescriptor(owning: ends[1])
            let raw = writeEnd.rawValue
            let child = try fork {
                try? mark.install()
                mark.withSlot { slot in
                    slot.note(someRecords)
                    var ready: UInt8 = 1
                    _ = unsafe write(raw, &ready, 1)
                    while true { pause() }
                }
            }
            var ready: [UInt8] = []
            #expect(try readEnd.read(upTo: 1, appendingTo: &ready) == 1)
            kill(child, signal)
            #expect(wait(for: child) == signal)
            #expect(try CrashMark.crashes(at: path) == [])
        }
    }
}

/// Its runtime, in the child of a process with several threads, waits for ever.
private let hasThreadSanitizer = unsafe dlsym(nil, "__tsan_init") != nil
private let withoutFork: Comment = "ThreadSanitizer does not survive a fork"

private func commit(_ fault: CrashMarkTests.Fault) {
    switch fault {
    case .trap: preconditionFailure("on purpose")
    case .abort: abort()
    case .segment: unsafe UnsafeMutablePointer<UInt8>(bitPattern: 16)!.pointee = 1
    case .overflow: print(sum(to: .max))
    }
}

/// Not in constant stack: something is left to do after each call.
@inline(never)
private func sum(to number: Int) -> Int {
    number == 0
        ? 0
        : unsafe withUnsafeTemporaryAllocation(of: Int.self, capacity: 64) { buffer in
            unsafe buffer.initialize(repeating: number)
            return unsafe sum(to: number - 1) ^ buffer[number & 63]
        }
}

/// Runs `body` in a child process, which has this one thread alone and must do little. Swift hides
/// `fork` because most programs may do even less.
private func fork(_ body: () -> Void) throws -> pid_t {
    guard let address = unsafe dlsym(nil, "fork") else {
        throw SystemError(call: "dlsym", errno: ENOENT)
    }
    let call = unsafe unsafeBitCast(address, to: (@convention(c) () -> pid_t).self)
    let child = call()
    guard child == 0 else { return child }
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    // What a crash has to say would look like one of the tests'.
    close(2)
    // The test's process may have handlers for crashes, and its threads block signals.
    for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT] {
        _ = signal(number, SIG_DFL)
    }
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_UNBLOCK, &all, nil)
    alarm(30)
    body()
    _exit(0)
}

private func wait(for child: pid_t) -> CInt {
    var status: CInt = 0
    while unsafe waitpid(child, &status, 0) == -1, errno == EINTR {}
    return status
}
