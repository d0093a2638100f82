import Testing

@testable import DurableLog

@Suite struct LogAccountsTests {
    let scratch: Scratch
    let settings: LogSettings

    init() throws {
        scratch = try Scratch()
        var settings = LogSettings()
        settings.diskReserveBytes = 0
        settings.segmentBytes = 1000
        self.settings = settings
    }

    private var directory: String { scratch.path + "/traces" }

    private func open() throws -> DurableLog {
        let log = try DurableLog(
            "traces", directory: directory, settings: settings, epoch: .random())
        try log.start()
        return log
    }

    @Test func everyItemSinceACursorBeganIsInItsAccount() throws {
        let log = try open()
        let cursor = log.openCursor("a") { _, _ in }
        _ = log.appendAndWait((1...10).map { record($0, items: 3) })
        let late = log.openCursor("late") { _, _ in }
        _ = log.appendAndWait((11...15).map { record($0, items: 2) })
        let read = try cursor.read(bytesMax: 500)
        cursor.settle(read[0].position, as: CursorTotals(exported: 1, dropped: 1, setAside: 1))
        let accounts = log.accounts
        #expect(accounts.items == 40 && accounts.itemsSinceOpen == 40)
        #expect(accounts.cursors.map(\.name) == ["a", "late"])
        #expect(accounts.cursors.allSatisfy { $0.isBalanced })
        #expect(accounts.cursors.map(\.items) == [40, 10])
        #expect(accounts.cursors.map(\.pending.items) == [37, 10])
        #expect(accounts.cursors[0].oldestReceivedAt == record(2).receivedAt)
        #expect(accounts.cursors[1].oldestReceivedAt == record(11).receivedAt)
        _ = late
        log.close()
    }

    @Test func anAccountGoesOnInTheNextRun() throws {
        let first = try open()
        let cursor = first.openCursor("a") { _, _ in }
        _ = first.appendAndWait((1...4).map { record($0, items: 5) })
        #expect(try cursor.readAll().count == 4)
        _ = first.appendAndWait([record(5, items: 7)])
        first.close()
        let second = try open()
        let orphan = try #require(second.accounts.cursors.first)
        #expect(orphan.isOrphan && orphan.isBalanced && orphan.pending.items == 7)
        _ = second.openCursor("a") { _, _ in }
        _ = second.appendAndWait([record(6)])
        let accounts = second.accounts
        #expect(accounts.items == 28 && accounts.itemsSinceOpen == 1)
        #expect(accounts.cursors[0].totals.exported == 20)
        #expect(accounts.cursors[0].pending.items == 8 && accounts.cursors[0].isBalanced)
        second.close()
    }

    @Test func aScanReadsATimeRangeThatCursorsHavePassed() throws {
        let log = try open()
        let cursor = log.openCursor("a") { _, _ in }
        _ = log.appendAndWait((1...40).map { record($0) })
        #expect(try cursor.readAll().count == 40)
        let before = log.accounts.cursors[0].totals
        let scan = LogScan(
            log, receivedAt: record(5).receivedAt..<record(30).receivedAt, before: 20)
        var found: [UInt64] = []
        while let placed = try scan.nextRecord() {
            #expect(placed.record.payload == record(Int(placed.position.number)).payload)
            found.append(placed.position.number)
        }
        #expect(found == Array(5..<20))
        #expect(log.accounts.cursors[0].totals == before)
        log.close()
    }

    @Test func anInspectorSeesWhatARunningLogHas() throws {
        let log = try open()
        _ = log.openCursor("a") { _, _ in }
        _ = log.appendAndWait((1...40).map { record($0, items: 2) })
        let inspector = try LogInspector(directory)
        #expect(inspector.segments.count > 1)
        #expect(inspector.segments.dropLast().allSatisfy { $0.isSealed })
        #expect(inspector.accounts.items == 80)
        #expect(try inspector.verify().damages.isEmpty)
        log.close()
    }
}
