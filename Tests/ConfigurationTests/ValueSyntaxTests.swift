import Configuration
import Testing

struct ValueSyntaxTests {
    static let durations: [(text: String, duration: Duration)] = [
        ("0", .zero), ("0s", .zero), ("200ms", .milliseconds(200)), ("1m30s", .seconds(90)),
        ("1h", .seconds(3600)), ("1.5h", .seconds(5400)), (".5s", .milliseconds(500)),
        ("1.s", .seconds(1)), ("10us", .microseconds(10)), ("10µs", .microseconds(10)),
        ("10μs", .microseconds(10)), ("7ns", .nanoseconds(7)), ("-1.5s", .milliseconds(-1500)),
        ("+5s", .seconds(5)), ("0.000000001s", .nanoseconds(1)), ("0.3ns", .zero),
        ("2562047h47m16.854775807s", GoDuration.max), ("100m", .seconds(6000)),
        ("0.33333333333333333333h", .nanoseconds(1_199_999_999_998)),
    ]

    @Test(arguments: durations)
    func `A duration is read as Go reads it`(text: String, duration: Duration) throws {
        #expect(try GoDuration.parse(text) == duration)
    }

    static let badDurations: [(text: String, error: GoDuration.ParseError)] = [
        ("", .notADuration), ("-", .notADuration), ("s", .notADuration), (".", .notADuration),
        (".s", .notADuration), ("5", .missingUnit), ("1m5", .missingUnit),
        ("5d", .unknownUnit("d")),
        ("5 s", .unknownUnit(" s")), ("1s ", .unknownUnit("s ")), ("5S", .unknownUnit("S")),
        ("9999999h", .tooLong), ("99999999999999999999s", .tooLong),
        ("2562047h47m16.854775808s", .tooLong), ("1s-1s", .unknownUnit("s-")),
    ]

    @Test(arguments: badDurations)
    func `A bad duration is refused for its reason`(text: String, error: GoDuration.ParseError) {
        #expect(throws: error) { try GoDuration.parse(text) }
    }

    @Test(arguments: [
        "0s", "7ns", "1.5µs", "200ms", "1.5ms", "1s", "1.5s", "1m", "1m30s", "1h", "1h30s",
        "1h1m1.5s",
        "-1m30s", "2562047h47m16.854775807s",
    ])
    func `A duration is written as it would be read`(text: String) throws {
        #expect(GoDuration.format(try GoDuration.parse(text)) == text)
    }

    static let sizes: [(text: String, bytes: Int?)] = [
        ("0", 0), ("512", 512), ("1B", 1), ("64MiB", 64 << 20), ("64 MiB", 64 << 20),
        ("10MB", 10_000_000), ("1kB", 1_000), ("1KiB", 1_024), ("1mib", 1 << 20), ("2GiB", 2 << 30),
        ("1TB", 1_000_000_000_000), ("", nil), ("MiB", nil), ("-1", nil), ("+1", nil),
        ("1.5GiB", nil),
        ("5 apples", nil), ("9223372036854775807", Int.max), ("9223372036854775808", nil),
        ("9223372036854775807KiB", nil),
    ]

    @Test(arguments: sizes)
    func `A size is read with decimal and binary units`(text: String, bytes: Int?) {
        #expect(ByteSize.parse(text) == bytes)
    }

    @Test func `A size is written with the unit that divides it`() {
        #expect(
            [0, 1000, 1024, 64 << 20, 3 << 40].map(ByteSize.format) == [
                "0B", "1000B", "1KiB", "64MiB", "3TiB",
            ])
    }
}
