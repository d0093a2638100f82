import Testing

@testable import Exporters

@Suite struct UpkeepDropTests {
    @Test(arguments: [
        ("span: 3 rows purged", UpkeepDrop.What.rows, "span", 3),
        ("log: 1 partitions dropped, log_20261101", .partitions, "log", 1),
        ("rollup_red_1m: 12 chunks dropped", .partitions, "rollup_red_1m", 12),
    ])
    func `An outcome that says what was dropped is read`(
        outcome: String, what: UpkeepDrop.What, table: String, count: Int
    ) throws {
        let drop = try #require(UpkeepDrop(outcome))
        #expect((drop.what, drop.table, drop.count) == (what, table, count))
    }

    @Test(arguments: [
        "", "span", "up to 2026-11-30 13:10", "span: 3 partitions made", "span: x rows purged",
        "span: 3 rows of 2026-11-16 moved to a partition", "another session is at it",
    ])
    func `Other outcomes drop nothing`(outcome: String) {
        #expect(UpkeepDrop(outcome) == nil)
    }
}
