import OTLP
import Testing

@testable import Telemetry

struct TraceContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let span = "b7ad6b7169203331"

    @Test(
        arguments: [
            ("00-\(trace)-\(span)-00", UInt8(0)), ("00-\(trace)-\(span)-01", 1),
            ("00-\(trace)-\(span)-03", 3), ("00-\(trace)-\(span)-ff", 3),
            ("cc-\(trace)-\(span)-01", 1), ("cc-\(trace)-\(span)-01-what-comes", 1),
            ("01-\(trace)-\(span)-01-", 1),
        ] as [(String, UInt8)])
    func `A valid header is read`(header: String, flags: UInt8) throws {
        let context = try #require(TraceContext(traceparent: header))
        #expect(context.traceID.description == Self.trace)
        #expect(context.spanID.description == Self.span)
        #expect(context.flags.rawValue == flags)
        #expect(context.isSampled == (flags & 1 == 1))
        #expect(context.traceparent == "00-\(Self.trace)-\(Self.span)-0\(flags)")
    }

    @Test(
        arguments: [
            nil, "", "00", "00-\(trace)-\(span)-0", "00-\(trace)-\(span)-011",
            "00-\(trace)-\(span)-01-more", "00-\(trace)-\(span)-01-", "00-\(trace)-\(span)-01 ",
            " 00-\(trace)-\(span)-01", "ff-\(trace)-\(span)-01", "0-\(trace)-\(span)-001",
            "0g-\(trace)-\(span)-01", "00-\(trace.uppercased())-\(span)-01",
            "00-\(trace)-\(span.uppercased())-01", "00-\(trace)-\(span)-0A",
            "CC-\(trace)-\(span)-01", "00_\(trace)-\(span)-01", "00-\(trace)_\(span)-01",
            "00-\(trace)-\(span)_01", "cc-\(trace)-\(span)-01.more",
            "00-00000000000000000000000000000000-\(span)-01",
            "00-\(trace)-0000000000000000-01", "00-\(trace)\(span)--01",
            "00-0af7651916cd43dd8448eb211c8031éc-\(span)-1",
        ])
    func `A malformed header counts as absent`(header: String?) {
        #expect(TraceContext(traceparent: header) == nil)
    }

    @Test func `A valid header cut at any byte is refused`() {
        let header = "00-\(Self.trace)-\(Self.span)-01"
        for count in 0..<header.utf8.count {
            #expect(TraceContext(traceparent: String(header.prefix(count))) == nil)
        }
    }

    @Test(
        arguments: [
            ([], ""), (["a=1"], "a=1"), (["a=1,b=2"], "a=1,b=2"), (["a=1", "b=2"], "a=1,b=2"),
            ([" a=1 ,\tb=2 "], "a=1,b=2"), (["a=1,,b=2,"], "a=1,b=2"), (["a=x y"], "a=x y"),
            (["t@v/x-y_z*=!~"], "t@v/x-y_z*=!~"), (["0a=1"], "0a=1"),
            (["ot=th:c;rv:0123456789abcd"], "ot=th:c;rv:0123456789abcd"),
        ] as [([String], String)])
    func `A valid state is kept`(headers: [String], state: String) {
        #expect(TraceState.parse(headers) == state)
    }

    @Test(
        arguments: [
            "a", "=1", "a=", "A=1", "a=1=2", "a=1,a=2", "a =1", "_a=1", "a=\u{7}", "a=é", "a.b=1",
            String(repeating: "k", count: 257) + "=1", "k=" + String(repeating: "v", count: 257),
            (0..<33).map { "k\($0)=1" }.joined(separator: ","),
            String(repeating: ",", count: 20_000),
        ])
    func `A malformed state is dropped, and the parent kept`(header: String) throws {
        #expect(TraceState.parse([header]) == nil)
        let context = try #require(
            TraceContext(
                traceparent: "00-\(Self.trace)-\(Self.span)-01", traceState: [header]))
        #expect(context.traceState.isEmpty)
    }

    @Test func `A state that is too long loses its long members first, then its last`() throws {
        let long = "long=" + String(repeating: "v", count: 200)
        let short = (0..<25).map { "k\($0)=" + String(repeating: "v", count: 20) }
        let state = try #require(TraceState.parse([([long] + short).joined(separator: ",")]))
        #expect(state.utf8.count <= TraceState.bytesMax)
        #expect(state.utf8.count > TraceState.bytesMax - 40)
        #expect(!state.contains("long"))
        #expect(state.hasPrefix("k0=v"))
    }
}
