import Platform
import Testing

@Suite struct CivilTimeTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
        ])
    func `Times are written in UTC`(
        milliseconds: UInt64, written: String
    ) {
        let time = CivilTime(unixNanoseconds: milliseconds * 1_000_000)
        #expect(time.rfc3339Milliseconds == written)
    }
}
