import HTTP
import HTTPClient
import Testing

@Suite struct `Retry-After` {
    /// Sun, 06 Nov 1994 08:49:37 GMT
    static let date: Int64 = 784_111_777

    @Test(arguments: ["0", "1", "120", "007"])
    func `Seconds are read`(value: String) throws {
        #expect(RetryAfter(parsing: value) == .seconds(try #require(Int(value))))
    }

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ])
    func `All three forms of a date are read`(value: String) {
        #expect(RetryAfter(parsing: value) == .date(unixSeconds: Self.date))
    }

    @Test(arguments: [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
        ("Fri, 31 Dec 2100 12:00:00 GMT", 4_133_937_600),
        ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
        ("Friday, 01-Jan-60 00:00:00 GMT", 2_840_140_800),
    ])
    func `The calendar is right`(value: String, seconds: Int64) {
        #expect(RetryAfter(parsing: value) == .date(unixSeconds: seconds))
    }

    @Test(arguments: [
        "", " ", "-1", "+1", "1.5", "1e3", "soon", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "06 Nov 1994",
        "Sun, 06 Nov 1994 08:49 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 199 08:49:37 GMT",
        "1994-11-06T08:49:37Z", "Sun Nov  6 08:49:37 1994 1994 1994 1994 1994 1994",
    ])
    func `Anything else is not`(value: String) {
        #expect(RetryAfter(parsing: value) == nil)
    }

    @Test func `A delay lies between zero and a day`() {
        let now = UInt64(Self.date) * 1_000_000_000
        func delay(_ value: String) -> Duration? {
            RetryAfter(parsing: value)?.delay(unixNanoseconds: now)
        }
        #expect(delay("30") == .seconds(30))
        #expect(delay("99999999999999999999999") == .seconds(86_400))
        #expect(delay("Sun, 06 Nov 1994 08:50:37 GMT") == .seconds(60))
        #expect(delay("Sun, 06 Nov 1994 08:40:37 GMT") == .zero)
        #expect(delay("Sun, 06 Nov 2094 08:40:37 GMT") == .seconds(86_400))
    }

    @Test func `A response says how long to wait`() {
        var response = HTTPClientResponse(status: .serviceUnavailable)
        #expect(response.retryAfter(unixNanoseconds: 0) == nil)
        response.headers["retry-after"] = "7"
        #expect(response.retryAfter(unixNanoseconds: 0) == .seconds(7))
        response.headers["retry-after"] = "later"
        #expect(response.retryAfter(unixNanoseconds: 0) == nil)
    }
}
