import Platform
import Testing

@testable import DurableLog

@Suite struct RetentionTests {
    let disk = ModelDisk(seed: 1)
    let clock = ManualClock()

    private func open(_ change: (inout LogSettings) -> Void = { _ in }) throws -> DurableLog {
        var settings = LogSettings()
        settings.diskReserveBytes = 0
        settings.cacheBytesMax = 0
        change(&settings)
        return try DurableLog(
            "traces", directory: LogHistory.directory, settings: settings, epoch: .random(),
            storage: disk.boot(), clock: clock)
    }

    private func append(_ numbers: Range<Int>, to log: DurableLog) {
        for number in numbers {
            #expect(log.reserve(bytes: record(number).bytesOnDisk) == nil)
            log.append(record(number)) { _ in }
        }
        log.commitGathered()
    }

    /// The process ends, and nothing is done about it.
    private func kill(_ log: DurableLog) { log.state.withLock { $0.cursors = [] } }

    @Test func `A record gets too old where hardly any come`() throws {
        let log = try open { $0.ageMax = .seconds(60) }
        let cursor = log.openCursor("a") { _, _ in }
        append(0..<1, to: log)
        clock.advance(by: .seconds(14))
        log.maintain()
        #expect(log.state.withLock { $0.active } == 1)
        clock.advance(by: .seconds(2))
        log.maintain()
        #expect(log.state.withLock { $0.active } == nil)
        append(1..<2, to: log)
        clock.advance(by: .seconds(40))
        log.maintain()
        #expect(cursor.totals.skipped == 0)
        clock.advance(by: .seconds(5))
        log.maintain()
        #expect(cursor.totals.skipped == 1)
        #expect(try cursor.readAll().map(\.record) == [record(1)])
    }

    @Test func `A number that a record could not be kept under is no other's`() throws {
        let log = try open()
        let cursor = log.openCursor("a") { _, _ in }
        append(0..<1, to: log)
        var faults = FaultPlan()
        faults.kind = .syncError
        faults.percent = 100
        disk.set(faults)
        append(1..<3, to: log)
        #expect(log.status.refusal != nil)
        disk.set(FaultPlan())
        log.maintain()
        append(3..<4, to: log)
        let read = try cursor.readAll()
        #expect(read.map(\.record) == [record(0), record(3)])
        // The first attempt left 2 and 3 in a file, the second got none.
        #expect(read.map(\.position.number).first == 1)
        #expect(read.last?.position.number == 4)
        #expect(cursor.pending == Backlog() && cursor.isPast(log.end))
        kill(log)
    }

    @Test func `Nothing is deleted that a cursor is past in memory alone`() throws {
        let log = try open {
            $0.retain = .zero; $0.segmentBytes = 500
        }
        let cursor = log.openCursor("a") { _, _ in }
        append(0..<20, to: log)
        log.maintain()
        let count = log.state.withLock { $0.segments.count }
        #expect(try cursor.readAll().count == 20)
        var faults = FaultPlan()
        faults.failing = disk.calls + 1..<disk.calls + 2
        disk.set(faults)
        log.maintain()
        #expect(log.state.withLock { $0.segments.count } == count)
        log.maintain()
        #expect(log.state.withLock { $0.segments.count } <= 1)
        kill(log)
    }

    @Test func `Damage that nobody could copy is moved aside and not deleted`() throws {
        let log = try open {
            $0.retain = .zero; $0.segmentBytes = 1000
        }
        let cursor = log.openCursor("a") { _, _ in }
        append(0..<20, to: log)
        let path = log.state.withLock { $0.segments[0].path }
        let damaged = disk.withLock { state in
            state.nodes[path]!.bytes[500] ^= 1
            state.capacityBytes = state.usedBytes
            return state.nodes[path]!.bytes
        }
        #expect(try cursor.readAll().count == 19)
        disk.withLock { $0.capacityBytes = .max }
        log.maintain()
        #expect(disk.fileSizes[path] == nil)
        let name = path.split(separator: "/").last!
        let kept = disk.withLock { state in
            state.nodes.filter { $0.key.contains("/damaged/\(name)") }.map(\.value.bytes)
        }
        #expect(kept == [damaged])
        kill(log)
    }

    @Test func `A cursor of an earlier run does not stand in numbers of a later one`() throws {
        let first = try open()
        let ahead = first.openCursor("ahead") { _, _ in }
        append(0..<10, to: first)
        let path = first.state.withLock { $0.segments[0].path }
        let end = first.state.withLock { $0.segments[0].dataEnd }
        append(10..<20, to: first)
        #expect(try ahead.readAll().count == 20)
        first.maintain()
        kill(first)
        // The machine loses what it was told to have, as a cheap disk does.
        disk.withLock { $0.nodes[path]!.bytes.removeSubrange(end...) }

        let second = try open {
            $0.retain = .zero; $0.segmentBytes = 500
        }
        append(20..<40, to: second)
        // Nobody has opened it yet, and nothing was saved.
        second.maintain()
        kill(second)
        let third = try open()
        let again = third.openCursor("ahead") { _, _ in }
        #expect(try again.readAll().map(\.record) == (20..<40).map { record($0) })
        #expect(again.pending.items == 0)
        kill(third)
    }

    /// A copy of a directory that is being written has its files from different moments.
    @Test func `A copy with cursors and segments of different moments loses nothing`() throws {
        struct Moment {
            var files: [String: [UInt8]]
            var appended: Int
            var settled: Int
        }
        let log = try open {
            $0.segmentBytes = 2000; $0.retain = .seconds(1000)
        }
        let cursor = log.openCursor("a") { _, _ in }
        var moments: [Moment] = []
        var settled = 0
        for step in 0..<16 {
            append(step * 5..<step * 5 + 5, to: log)
            for record in try cursor.read(bytesMax: 300) {
                cursor.settle(record.position, as: CursorTotals(exported: 1))
                settled += 1
            }
            log.maintain()
            moments.append(
                Moment(
                    files: disk.withLock { $0.nodes.mapValues(\.bytes) },
                    appended: step * 5 + 5, settled: settled))
        }
        kill(log)
        let cursors = LogHistory.directory + "/cursors"
        for saved in moments {
            for written in moments {
                let copy = ModelDisk(seed: 1)
                copy.withLock { state in
                    state.directories = [LogHistory.directory]
                    for (path, bytes) in written.files where path.hasSuffix(".seg") {
                        state.nodes[path] = ModelDisk.Node()
                        state.nodes[path]!.bytes = bytes
                    }
                    state.nodes[cursors] = ModelDisk.Node()
                    state.nodes[cursors]!.bytes = saved.files[cursors]!
                }
                var settings = LogSettings()
                settings.diskReserveBytes = 0
                let restored = try DurableLog(
                    "traces", directory: LogHistory.directory, settings: settings,
                    epoch: .random(), storage: copy.boot())
                let again = restored.openCursor("a") { _, _ in }
                let first = min(saved.settled, written.appended)
                let read = try again.readAll()
                #expect(read.map(\.record) == (first..<written.appended).map { record($0) })
                #expect(again.pending.items == 0 && again.isPast(restored.end))
                // The cursor proves that there was more than the segments of the copy have.
                let known = max(saved.settled, written.appended)
                #expect(Int(truncatingIfNeeded: again.place.itemsPassed) == known)
                #expect(restored.status.itemsEnd == known)
                kill(restored)
            }
        }
    }
}
