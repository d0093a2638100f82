import Bytes
import OTLP
import Pipeline
import Testing

@testable import Processors

struct ProbabilisticSamplerTests {
    /// Kept at 50 % and not at 49: its randomness is 0x80000000000000.
    private static let half = id("fefefefefefefefefe80000000000000")
    /// Kept at every probability.
    private static let improbable = id("111111111111111111ffffffffffffff")

    static func id(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: 32, by: 2).map {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
        }
    }

    private static func sampled(
        _ yaml: String, _ item: Item, _ signal: Signal = .traces, _ bench: Bench = Bench()
    ) throws -> Item? {
        let before = batch(signal, [Group(resource: ["r"], items: [item])])
        return try processed(
            ProbabilisticSamplerFactory.self, yaml, before, bench: bench
        ).items.first
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var yaml: String
        var id: [UInt8] = half
        var state: String?
        /// nil where the span is not kept.
        var equalizing: String?
        var proportional: String?
        var testDescription: String { "\(yaml) \(state ?? "")" }

        init(
            _ yaml: String, _ id: [UInt8] = half, _ state: String? = nil,
            both: String? = nil, equalizing: String? = nil, proportional: String? = nil
        ) {
            self.yaml = yaml
            self.id = id
            self.state = state
            self.equalizing = equalizing ?? both
            self.proportional = proportional ?? both
        }
    }

    // Thresholds worked out by hand, and those that OTEP 235 and its implementations agree on.
    static let cases = [
        Case("sampling_percentage: 100", both: "ot=th:0"),
        Case("sampling_percentage: 200", both: "ot=th:0"),
        Case("sampling_percentage: 50", both: "ot=th:8"),
        Case("sampling_percentage: 49"),
        Case("sampling_percentage: 25", id("ddddddddddddddddddc0000000000000"), both: "ot=th:c"),
        Case("sampling_percentage: 25", id("ddddddddddddddddddb0000000000000")),
        Case(
            "{sampling_percentage: 1, sampling_precision: 14}", half, "ot=rv:FD70A3D70A3D71",
            both: "ot=rv:FD70A3D70A3D71;th:fd70a3d70a3d71"),
        Case(
            "{sampling_percentage: 1, sampling_precision: 14}", half, "ot=rv:FD70A3D70A3D70"),
        Case(
            "{sampling_percentage: 1, sampling_precision: 4}", half, "ot=rv:FD70A3D70A3D71",
            both: "ot=rv:FD70A3D70A3D71;th:fd70a"),
        Case("{sampling_percentage: 1, sampling_precision: 3}", half, "ot=rv:FD70A3D70A3D71"),
        Case(
            "sampling_percentage: 50", half, "ot=rv:90000000000000;th:80000000000000",
            equalizing: "ot=rv:90000000000000;th:8"),
        Case("sampling_percentage: 25", half, "ot=th:8"),
        Case(
            "sampling_percentage: 25", improbable, "ot=th:8", equalizing: "ot=th:c",
            proportional: "ot=th:e"),
        Case(
            "{sampling_percentage: 40, sampling_precision: 3}", half, "ot=rv:a0000000000000",
            both: "ot=rv:a0000000000000;th:99a"),
        Case(
            "{sampling_percentage: 40, sampling_precision: 6}",
            id("a0a0a0a0a0a0a0a0a0d0000000000000"), "ot=th:8", equalizing: "ot=th:99999a",
            proportional: "ot=th:cccccd"),
        Case(
            "sampling_percentage: 0.006103515625", improbable, "ot=th:fffc",
            equalizing: "ot=th:fffc", proportional: "ot=th:fffffff"),
        Case(
            "sampling_percentage: 0.0625", improbable, "ot=th:fffffffffffff8",
            equalizing: "ot=th:fffffffffffff8"),
        // Neither other vendors nor other fields of ours are lost, and ours go first.
        Case(
            "sampling_percentage: 50", half, " a=1 , ot=x:y;th:4 ,b@c=2",
            equalizing: "ot=th:8;x:y,a=1,b@c=2"),
        // Claims to have passed a threshold that it cannot have passed.
        Case(
            "{sampling_percentage: 100, fail_closed: false}", half, "ot=rv:40000000000000;th:8",
            both: "ot=rv:40000000000000;th:0"),
        Case("sampling_percentage: 100", half, "ot=rv:40000000000000;th:8"),
        // What cannot be read is left as it is.
        Case("{sampling_percentage: 1, fail_closed: false}", half, "ot=th:xyz", both: "ot=th:xyz"),
        Case("{sampling_percentage: 1, fail_closed: false}", half, "ot=rv:1", both: "ot=rv:1"),
        Case("sampling_percentage: 100", half, "no trace state"),
    ]

    @Test(arguments: cases, ["equalizing", "proportional"])
    func `Spans are kept and marked as OTEP 235 says`(_ test: Case, _ mode: String) throws {
        var item = Item(traceID: test.id, traceState: test.state)
        item.attributes = ["kept"]
        let inner = test.yaml.hasPrefix("{") ? String(test.yaml.dropFirst().dropLast()) : test.yaml
        let kept = try Self.sampled("{mode: \(mode), \(inner)}", item)
        let expected = mode == "equalizing" ? test.equalizing : test.proportional
        guard let expected else {
            #expect(kept == nil)
            return
        }
        item.traceState = expected
        #expect(kept == item)
    }

    @Test func `FNV with a seed gives the buckets that it always gave`() {
        let hash = SamplingHash(seed: 0)
        let zeros = [UInt8](repeating: 0, count: 16)
        let none = ByteRange(start: 0, end: 0)
        #expect(hash.hash(zeros.rawSpan, none) & 0x3FFF == 0x3515)
        #expect(hash.hash(zeros.rawSpan, ByteRange(start: 0, end: 16)) & 0x3FFF == 0x2455)
    }

    @Test(
        arguments: [
            (100, 0), (75, 0x40 << 48), (50, 0x80 << 48), (25, 0xC0 << 48),
            (10, 0xE668 << 40), (100.0 / 3, 0xAAAC << 40),
        ] as [(Float, UInt64)])
    func `The hash's threshold is rounded to 14 bits`(_ percentage: Float, _ rejected: UInt64) {
        #expect(SamplingHash.threshold(percentage: percentage)?.rejected == rejected)
    }

    @Test func `The hash keeps its share, and its randomness agrees with its threshold`() throws {
        var random = SplitMix(state: 7)
        let items = (0..<20_000).map { _ in
            Item(traceID: (0..<16).map { _ in UInt8.random(in: 1...255, using: &random) })
        }
        let bench = Bench()
        let kept = try processed(
            ProbabilisticSamplerFactory.self, "{sampling_percentage: 25, hash_seed: 22}",
            batch(.traces, [Group(items: items)]), bench: bench
        ).items
        #expect((4_700...5_300).contains(kept.count))
        for item in kept.prefix(100) {
            let state = try #require(item.traceState)
            #expect(state.hasPrefix("ot=rv:") && state.hasSuffix(";th:c"))
            #expect("c"..."f" ~= String(state.dropFirst(6).prefix(1)))
        }
        let series = "otelcol_processor_probabilistic_sampler_count_traces_sampled"
        #expect(
            bench.sample("\(series){policy=\"trace_id_hash\",sampled=\"true\"}")
                == "\(kept.count)")
        #expect(
            bench.sample("\(series){policy=\"trace_id_hash\",sampled=\"false\"}")
                == "\(items.count - kept.count)")
    }

    @Test(arguments: [
        (Value.int(2), true), (.int(0), false), (.double(0.5), true), (.double(0), false),
        (.string("1"), true), (.string("0.0"), false),
    ])
    func `A span's priority overrides every mode`(_ value: Value, _ isKept: Bool) throws {
        for mode in ["hash_seed", "equalizing", "proportional"] {
            let item = Item(
                attributes: ["a", Pair("sampling.priority", value)], traceID: Self.half)
            let percentage = isKept ? 0 : 100
            let kept = try Self.sampled("{mode: \(mode), sampling_percentage: \(percentage)}", item)
            #expect((kept != nil) == isKept)
        }
    }

    @Test(arguments: [Value.int(-1), .double(-0.5), .string("NaN"), .string("x"), .bool(true)])
    func `A priority that says nothing leaves the decision alone`(_ value: Value) throws {
        let item = Item(attributes: [Pair("sampling.priority", value)], traceID: Self.half)
        #expect(try Self.sampled("sampling_percentage: 0", item) == nil)
        #expect(try Self.sampled("sampling_percentage: 100", item) != nil)
    }

    @Test func `A hash leaves consistent sampling alone and fails closed`() throws {
        for state in ["ot=th:8", "ot=rv:90000000000000"] {
            let item = Item(traceID: Self.half, traceState: state)
            #expect(try Self.sampled("sampling_percentage: 100", item) == nil)
            let open = try Self.sampled("{sampling_percentage: 1, fail_closed: false}", item)
            #expect(open?.traceState == state)
        }
    }

    @Test func `Log records carry threshold and randomness as attributes`() throws {
        let item = Item(attributes: ["a"], traceID: Self.half)
        let equalized = try Self.sampled(
            "{mode: equalizing, sampling_percentage: 50}", item, .logs)
        #expect(equalized?.attributes == ["a", Pair("sampling.threshold", .string("8"))])
        let hashed = try Self.sampled("sampling_percentage: 100", item, .logs)
        #expect(
            hashed?.attributes.map(\.key) == ["a", "sampling.randomness", "sampling.threshold"])
        var arriving = item
        arriving.attributes.append(Pair("sampling.threshold", .string("c")))
        let inconsistent = try Self.sampled(
            "{mode: equalizing, sampling_percentage: 50, fail_closed: false}", arriving, .logs)
        #expect(inconsistent?.attributes == ["a", Pair("sampling.threshold", .string("0"))])
    }

    @Test func `A log record is decided by an attribute where it has no trace id`() throws {
        let bench = Bench()
        let yaml = "{sampling_percentage: 50, attribute_source: record, from_attribute: key}"
        let items = (0..<2_000).map {
            Item(attributes: [Pair("key", .int(Int64($0)))], traceID: [])
        }
        let kept = try processed(
            ProbabilisticSamplerFactory.self, yaml, batch(.logs, [Group(items: items)]),
            bench: bench
        ).items
        #expect((850...1_150).contains(kept.count))
        #expect(
            bench.sample(
                "otelcol_processor_probabilistic_sampler_count_logs_sampled"
                    + "{policy=\"key\",sampled=\"true\"}") == "\(kept.count)")
        #expect(try Self.sampled(yaml, Item(traceID: Self.half), .logs) == nil)
    }

    @Test(arguments: [(Value.int(0), false), (.int(100), true), (.double(250), true)])
    func `A log record's own percentage goes first`(_ value: Value, _ isKept: Bool) throws {
        let item = Item(attributes: [Pair("p", value)], traceID: Self.half)
        let percentage = isKept ? 1 : 100
        let kept = try Self.sampled(
            "{sampling_percentage: \(percentage), sampling_priority: p}", item, .logs)
        #expect((kept != nil) == isKept)
    }

    @Test(arguments: [
        ("sampling_percentage: -1", "must be at least 0"),
        ("sampling_percentage: 1e-16", "below 2^-56"),
        ("{sampling_percentage: 1, sampling_precision: 0}", "between 1 and 14"),
        ("{sampling_percentage: 1, sampling_precision: 15}", "between 1 and 14"),
        ("{sampling_percentage: 1, mode: proportionl}", "did you mean 'proportional'?"),
        ("{sampling_percentage: 1, attribute_source: record}", "fail_closed decides about every"),
        ("{sampling_percentage: 1, hash_seed: 4294967297}", "is taken for 1"),
        ("mode: equalizing", "without sampling_percentage nothing is kept"),
    ])
    func `Wrong settings are reported`(_ yaml: String, _ message: String) {
        let report = reading(yaml, ProbabilisticSamplerFactory.read).report
        #expect(report.contains(message), "\(report)")
    }

    @Test func `Metrics are not for it`() {
        #expect(ProbabilisticSamplerFactory.signals == [.traces, .logs])
    }
}

/// Steele, Lea, Flood: the same numbers on every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
