import Foundation
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
            let busy = try Platform.Thread(name: "busy") {
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

    @Test func `Large records leave a mark when nobody has the time to leave one`() throws {
        try withScratch { directory in
            let path = directory + "/crash"
            let mark = try CrashMark(path: path, slots: 2)
            try mark.withSlot { slot throws in
                slot.note(someRecords, isLarge: true)
                #expect(
                    try CrashMark.crashes(at: path)
                        == [.init(signal: SIGKILL, records: someRecords)])
                slot.clear()
                #expect(try CrashMark.crashes(at: path) == [])
                slot.note(someRecords)
                #expect(try CrashMark.crashes(at: path) == [])
                slot.clear()
                slot.note(someRecords, isLarge: true)
                try mark.withSlot { other throws in
                    // What is known to have ended the process says what others say nothing of.
                    let culprit = RecordRange(log: 1, epoch: (2, 3), first: 4, last: 4)
                    slot.clear()
                    other.note(culprit, isLarge: true)
                    #expect(mark.recordCrash(signal: SIGSEGV))
                    #expect(
                        try CrashMark.crashes(at: path)
                            == [.init(signal: SIGSEGV, records: culprit)])
                }
            }
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

    @Test(
        .disabled(if: hasThreadSanitizer, "ThreadSanitizer has a signal's handler run later"),
        arguments: ["trap", "abort", "segment", "overflow"])
    func `A process that faults dies of it, and the next one knows why`(fault: String) throws {
        try withScratch { directory in
            let path = directory + "/crash"
            let helper = try startHelper(path, fault)
            helper.waitUntilExit()
            let status = helper.terminationStatus
            #expect(helper.terminationReason == .uncaughtSignal)
            #expect([SIGILL, SIGTRAP, SIGABRT, SIGSEGV].contains(status))
            #expect(
                try CrashMark.crashes(at: path) == [.init(signal: status, records: someRecords)])
        }
    }

    @Test(
        .disabled(if: hasThreadSanitizer, "ThreadSanitizer has a signal's handler run later"),
        arguments: [SIGKILL, SIGSEGV, SIGABRT])
    func `A signal from outside is not the record's fault`(signal: CInt) throws {
        try withScratch { directory in
            let path = directory + "/crash"
            let output = Pipe()
            let helper = try startHelper(path, "wait", output)
            #expect(try output.fileHandleForReading.read(upToCount: 1)?.count == 1)
            kill(helper.processIdentifier, signal)
            helper.waitUntilExit()
            #expect(helper.terminationReason == .uncaughtSignal)
            #expect(helper.terminationStatus == signal)
            #expect(try CrashMark.crashes(at: path) == [])
        }
    }
}

private let hasThreadSanitizer = unsafe dlsym(nil, "__tsan_init") != nil

/// Runs `Tests/CrashHelper`, which is built beside the tests.
private func startHelper(_ path: String, _ fault: String, _ output: Pipe? = nil) throws -> Process {
    let helper = Process()
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    helper.executableURL = URL(filePath: tests).deletingLastPathComponent()
        .appending(path: "CrashHelper")
    helper.arguments = [path, fault]
    // What a crash has to say would look like one of the tests'.
    helper.standardError = FileHandle.nullDevice
    if let output { helper.standardOutput = output }
    try helper.run()
    return helper
}
