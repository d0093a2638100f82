import Bytes
import OTLP

/// Builds requests by hand, so that tests say what is on the wire.
enum Fixture {
    static let traceID = [UInt8](1...16)
    static let spanID = [UInt8](1...8)

    static func request(_ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        body(&writer)
        return writer.bytes
    }

    /// A request of one resource and one scope, with what `items` writes into the scope.
    static func oneScope(_ items: (inout ProtobufWriter) -> Void) -> [UInt8] {
        request { request in
            request.message(1) { resource in
                resource.message(1) { attribute(&$0, 1, "service.name", "shop") }
                resource.message(2) { scope in
                    scope.message(1) { $0.string(1, "scope") }
                    items(&scope)
                }
            }
        }
    }

    static func attribute(
        _ writer: inout ProtobufWriter, _ number: Int, _ key: String, _ value: String
    ) {
        writer.message(number) { keyValue in
            keyValue.string(1, key)
            keyValue.message(2) { $0.string(1, value) }
        }
    }

    static func span(
        _ scope: inout ProtobufWriter, name: String = "GET /", traceID: [UInt8] = traceID,
        spanID: [UInt8] = spanID, _ more: (inout ProtobufWriter) -> Void = { _ in }
    ) {
        scope.message(2) { span in
            span.bytes(1, traceID)
            span.bytes(2, spanID)
            span.string(5, name)
            span.varint(6, 2)
            span.fixed64(7, 1_000)
            span.fixed64(8, 2_000)
            more(&span)
        }
    }
}

extension TelemetryIndex {
    init(_ payload: [UInt8], _ signal: Signal = .traces) throws(WireError) {
        self.init()
        try rebuild(over: payload.rawSpan, as: signal)
    }
}

/// Random numbers that come again with the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
