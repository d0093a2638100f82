import Foundation
import Platform
import Synchronization

@testable import DurableLog

/// The file of a log with one segment, as it is before and after it is closed.
struct SmallLog {
    let name: String
    let epoch: LogEpoch
    let records: [LogRecord]
    let unsealed: [UInt8]
    let sealed: [UInt8]
    let cursors: [UInt8]
    /// Offsets behind each record.
    let ends: [Int]

    struct Damage {
        var offset: Int
        var bytes: Int
        var isSaved: Bool
    }

    struct Found {
        var records: [LogRecord] = []
        var totals = CursorTotals()
        /// Nothing waits, and what became of the items adds up.
        var isSettled = false
        var damages: [Damage] = []
        var torn = 0
        var unreadable = 0
        var cursors: [UInt8] = []
    }

    static func records(_ numbers: Range<Int>) -> [LogRecord] {
        numbers.map { record($0, bytes: 30 + $0 * 37 % 300, items: 1 + $0 % 4) }
    }

    static func open(
        _ scratch: Scratch, epoch: LogEpoch = .random(),
        onEvent: @escaping @Sendable (LogEvent) -> Void
    ) throws -> DurableLog {
        var settings = LogSettings()
        settings.diskReserveBytes = 0
        settings.cacheBytesMax = 0
        return try DurableLog(
            "small", directory: scratch.path + "/log", settings: settings, epoch: epoch,
            onEvent: onEvent)
    }

    static func write(
        records count: Int, epoch: LogEpoch = .random(), then more: [LogRecord] = [],
        behind first: SmallLog? = nil
    ) throws -> SmallLog {
        let scratch = try Scratch()
        if let first { try first.write(first.sealed, cursors: first.cursors, to: scratch) }
        let log = try open(scratch, epoch: epoch) { _ in }
        let cursor = log.openCursor("a") { _, _ in }
        let records = records(0..<count) + more
        var ends: [Int] = []
        for record in records {
            _ = log.reserve(bytes: record.bytesOnDisk)
            log.append(record) { _ in }
            log.commitGathered()
            ends.append(log.state.withLock { $0.segments.last!.dataEnd })
        }
        let path = log.state.withLock { $0.segments.last!.path }
        let unsealed = try [UInt8](Data(contentsOf: URL(filePath: path)))
        log.close()
        _ = cursor
        return SmallLog(
            name: URL(filePath: path).lastPathComponent, epoch: epoch, records: records,
            unsealed: unsealed, sealed: try [UInt8](Data(contentsOf: URL(filePath: path))),
            cursors: try [UInt8](Data(contentsOf: URL(filePath: scratch.path + "/log/cursors"))),
            ends: ends)
    }

    func range(_ index: Int) -> Range<Int> {
        (index == 0 ? LogFormat.segmentHeaderBytes : ends[index - 1])..<ends[index]
    }

    /// Of a record without its padding, which nobody looks at.
    func bytes(_ index: Int) -> Range<Int> {
        let start = range(index).lowerBound
        let content = records[index].attachment.count + records[index].payload.count
        return start..<start + LogFormat.recordHeaderBytes + content
    }

    func recordIndex(at offset: Int) -> Int? {
        records.indices.first { bytes($0).contains(offset) }
    }

    func write(
        _ segment: [UInt8]?, cursors: [UInt8]?, files: [String: [UInt8]] = [:], to scratch: Scratch
    ) throws {
        let directory = scratch.path + "/log"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        var files = files
        files[name] = segment
        files["cursors"] = cursors
        for (name, bytes) in files {
            try Data(bytes).write(to: URL(filePath: "\(directory)/\(name)"))
        }
    }

    /// Opens a log that has this file, and reads it to its end by two cursors.
    func read(
        _ segment: [UInt8]?, files: [String: [UInt8]] = [:], cursors: [UInt8]? = nil
    ) throws -> Found {
        let scratch = try Scratch()
        try write(segment, cursors: cursors ?? self.cursors, files: files, to: scratch)
        let events = Mutex<[LogEvent]>([])
        let log = try Self.open(scratch) { event in events.withLock { $0.append(event) } }
        _ = try log.openCursor("b", start: .oldest) { _, _ in }.readAll()
        let cursor = log.openCursor("a") { _, _ in }
        var found = Found()
        found.records = try cursor.readAll().map(\.record)
        found.totals = cursor.totals
        found.isSettled =
            cursor.pending.items == 0 && cursor.pending.records == 0 && cursor.isPast(log.end)
            && Int(truncatingIfNeeded: cursor.place.itemsPassed) == log.status.itemsEnd
        log.close()
        found.cursors = try [UInt8](
            Data(contentsOf: URL(filePath: scratch.path + "/log/cursors")))
        for event in events.withLock({ $0 }) {
            switch event {
            case .tornEnd: found.torn += 1
            case .unreadable: found.unreadable += 1
            case .damaged(_, let offset, let bytes, let path):
                let saved = try path.map { try [UInt8](Data(contentsOf: URL(filePath: $0))) }
                let isSaved = saved.map { $0[...] == segment?[offset..<offset + bytes] }
                found.damages.append(
                    Damage(offset: offset, bytes: bytes, isSaved: isSaved ?? false))
            default: break
            }
        }
        return found
    }
}
