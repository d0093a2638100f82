import DurableLog
import Foundation
import OTLP
import Platform
import Synchronization
import Testing

@testable import Pipeline

/// The machine's files, of which none can be opened for reading while `error` is set.
private final class FailingStorage: LogStorage {
    let disk = DiskStorage()
    let error = Mutex<CInt?>(nil)

    func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile {
        if let error = error.withLock({ $0 }) { throw SystemError(call: "open", errno: error) }
        return try disk.open(path, forWriting: forWriting)
    }

    func list(_ directory: String) throws(SystemError) -> [String] { try disk.list(directory) }
    func makeDirectory(_ path: String) throws(SystemError) { try disk.makeDirectory(path) }
    func create(_ path: String) throws(SystemError) -> any LogFile { try disk.create(path) }
    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try disk.rename(path, to: newPath)
    }
    func remove(_ path: String) throws(SystemError) { try disk.remove(path) }
    func synchronizeDirectory(_ path: String) throws(SystemError) {
        try disk.synchronizeDirectory(path)
    }
    func room(_ path: String) throws(SystemError) -> StorageRoom { try disk.room(path) }
}

@Suite struct FailingStorageTests {
    private let storage = FailingStorage()
    private let directory = FileManager.default.temporaryDirectory.path + "/\(UUID())"

    private func open(_ onEvent: @escaping @Sendable (LogEvent) -> Void) throws -> DurableLog {
        var settings = LogSettings()
        settings.cacheBytesMax = 0
        settings.diskReserveBytes = 0
        let log = try DurableLog(
            "traces", directory: directory, settings: settings, epoch: .random(), storage: storage,
            onEvent: onEvent)
        try log.start()
        return log
    }

    private func append(_ count: Int, to log: DurableLog) {
        for number in 0..<count {
            let record = LogRecord(
                signal: 0, itemCount: 1, receivedAt: 1, payload: [UInt8(number)])
            let isKept = Monitor(false)
            #expect(log.reserve(bytes: record.bytesOnDisk) == nil)
            log.append(record) { _ in
                isKept.withLock { $0 = true }
                isKept.notifyAll()
            }
            _ = isKept.wait { $0 ? true : nil }
        }
    }

    /// EACCES, EIO, EMFILE.
    @Test(arguments: [13, 5, 24] as [CInt])
    func `A log that cannot be read is told, tried again, and delivered in the end`(
        error: CInt
    ) throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let failures = Atomic<Int>(0)
        let recoveries = Atomic<Int>(0)
        let log = try open { event in
            switch event {
            case .storageFailed(let trouble) where trouble.operation == .read:
                failures.add(1, ordering: .relaxed)
            case .storageRecovered(.read, _): recoveries.add(1, ordering: .relaxed)
            default: break
            }
        }
        let queue = ExportQueue(.none)
        queue.add(log, of: .traces, cursor: "test", start: .end, isSkippable: false)
        append(3, to: log)
        storage.error.withLock { $0 = error }
        let limits = LotLimits(itemsMin: 3)
        guard case .nothing(let retry?, _) = queue.poll(limits) else {
            Issue.record("nothing was to be found")
            return
        }
        #expect(retry > .now)
        #expect(queue.readTrouble?.error.contains("open: ") == true)
        #expect(log.troubles.map(\.operation) == [.read])
        // One that finishes waits, one that drains does not.
        queue.close()
        guard case .nothing = queue.poll(limits) else {
            Issue.record("a log that cannot be read is not empty")
            return
        }
        queue.close(endsAtFailure: true)
        guard case .ended = queue.poll(limits) else {
            Issue.record("a drain waits for a log that cannot be read")
            return
        }
        storage.error.withLock { $0 = nil }
        queue.close()
        let lot = try #require(queue.nextLot(limits))
        #expect(lot.itemCount == 3)
        #expect(queue.readTrouble == nil && log.troubles.isEmpty)
        let (failed, recovered) = (
            failures.load(ordering: .relaxed), recoveries.load(ordering: .relaxed)
        )
        #expect(failed == 1 && recovered == 1)
        queue.release(.giveBack)
        log.close()
    }
}
