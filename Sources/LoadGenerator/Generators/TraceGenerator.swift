import OTLP

/// Makes traces of the shop, as `ExportTraceServiceRequest`s.
///
///     message Span {
///       bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5;
///       SpanKind kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
///       repeated KeyValue attributes = 9; repeated Event events = 11; repeated Link links = 13;
///       Status status = 15; fixed32 flags = 16;
///     }
///     message Event {
///       fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3;
///     }
///     message Link { bytes trace_id = 1; bytes span_id = 2; fixed32 flags = 6; }
///     message Status { string message = 2; StatusCode code = 3; }
struct TraceGenerator {
    private static let sampledFlag: UInt32 = 0x01
    private static let statusError: UInt64 = 2

    let shop: Shop
    private let latency = LatencyDistribution()
    private var random: LoadRandom
    private var identifiers: IdentifierSource
    private var plan = TracePlan()
    /// Encoded spans of the request that is being made, by service.
    private var envelopes: ServiceEnvelopes
    private var text: [UInt8] = []
    /// The last message that a trace sent, for a consumer's trace to link to.
    private var lastMessage: (trace: TraceID, span: SpanID)?

    init(shop: Shop, seed: UInt64, stream: Int) {
        self.shop = shop
        random = LoadRandom(seed: seed &+ LoadRandom.mix(UInt64(stream)))
        identifiers = IdentifierSource(seed: seed, stream: stream)
        envelopes = ServiceEnvelopes(services: shop.services)
    }

    /// A request of exactly `spanCount` spans. A trace that does not fit goes on in the next one.
    mutating func request(spanCount: Int, unixNanoseconds: UInt64) -> [UInt8] {
        for _ in 0..<spanCount {
            if plan.isWritten {
                plan.plan(
                    root: shop.roots[random.below(shop.roots.count)], of: shop, latency: latency,
                    endUnixNanoseconds: unixNanoseconds, &identifiers, &random)
            }
            let span = plan.spans[plan.written]
            plan.written += 1
            let service = shop.operations[span.operation].service
            var writer = envelopes.take(service)
            writer.message(2) { write(span, to: &$0) }
            envelopes.put(writer, service)
        }
        return envelopes.request()
    }

    private mutating func write(_ span: PlannedSpan, to message: inout ProtobufWriter) {
        let operation = shop.operations[span.operation]
        message.identifier(1, plan.traceID.high, plan.traceID.low)
        message.identifier(2, span.id.word)
        if !span.parent.isZero { message.identifier(4, span.parent.word) }
        message.raw(operation.nameAndKind)
        message.fixed64(7, plan.startUnixNanoseconds + span.start)
        message.fixed64(8, plan.startUnixNanoseconds + span.end)
        message.raw(operation.attributes)
        writeAttributes(operation.variation, hasFailed: span.hasFailed, to: &message)
        var failure: Vocabulary.Exception?
        if span.hasFailed {
            failure = writeException(at: plan.startUnixNanoseconds + span.end, to: &message)
        } else if operation.kind == .server, random.chance(permille: 100) {
            writeMilestone(at: plan.startUnixNanoseconds + span.start, to: &message)
        }
        if operation.kind == .producer { lastMessage = (plan.traceID, span.id) }
        if operation.kind == .consumer, let lastMessage {
            message.message(13) { link in
                link.identifier(1, lastMessage.trace.high, lastMessage.trace.low)
                link.identifier(2, lastMessage.span.word)
                link.fixed32(6, Self.sampledFlag)
            }
        }
        if let failure {
            message.message(15) { status in
                status.string(2, failure.message)
                status.varint(3, Self.statusError)
            }
        }
        message.fixed32(16, Self.sampledFlag)
    }

    private mutating func writeAttributes(
        _ variation: Operation.Variation, hasFailed: Bool, to message: inout ProtobufWriter
    ) {
        switch variation {
        case .none: break
        case .httpServer:
            writeStatus(hasFailed: hasFailed, to: &message)
            compose("/products/", .number(random.below(100_000)))
            message.attribute(9, "url.path", text: text)
            compose(
                "10.", .number(random.below(256)), ".", .number(random.below(256)), ".",
                .number(random.below(256)))
            message.attribute(9, "client.address", text: text)
            compose("u-", .number(100_000 + random.below(900_000)))
            message.attribute(9, "user.id", text: text)
            message.raw(Vocabulary.userAgents[random.below(Vocabulary.userAgents.count)])
        case .httpClient:
            writeStatus(hasFailed: hasFailed, to: &message)
            message.attribute(
                9, "http.response.body.size", .integer(Int64(80 + random.below(20_000))))
        case .database:
            message.attribute(
                9, "db.response.returned_rows", .integer(Int64(random.below(40))))
            compose("10.8.0.", .number(random.below(256)))
            message.attribute(9, "network.peer.address", text: text)
        case .order:
            message.attribute(9, "thread.id", .integer(Int64(1 + random.below(64))))
            message.attribute(
                9, "shop.order.total", .double(Double(random.below(50_000)) / 100))
            message.attribute(9, "shop.customer.returning", .boolean(random.chance(permille: 400)))
            message.raw(Vocabulary.currencies[random.below(Vocabulary.currencies.count)])
        case .message:
            message.attribute(
                9, "messaging.kafka.offset", .integer(Int64(random.below(1 << 30))))
            compose(.number(random.below(12)))
            message.attribute(9, "messaging.destination.partition.id", text: text)
        }
    }

    private mutating func writeStatus(hasFailed: Bool, to message: inout ProtobufWriter) {
        let status: Int64 = hasFailed ? 500 : random.chance(permille: 30) ? 404 : 200
        message.attribute(9, "http.response.status_code", .integer(status))
        if hasFailed { message.attribute(9, "error.type", "500") }
    }

    private mutating func writeException(
        at time: UInt64, to message: inout ProtobufWriter
    ) -> Vocabulary.Exception {
        let exception = Vocabulary.exceptions[random.below(Vocabulary.exceptions.count)]
        message.message(11) { event in
            event.fixed64(1, time)
            event.string(2, "exception")
            event.raw(exception.attributes)
        }
        return exception
    }

    private mutating func writeMilestone(at time: UInt64, to message: inout ProtobufWriter) {
        let retries = Int64(random.below(3))
        message.message(11) { event in
            event.fixed64(1, time)
            event.string(2, "session.restored")
            event.attribute(3, "session.cache.hit", .boolean(retries == 0))
            event.attribute(3, "session.cache.retries", .integer(retries))
        }
    }

    /// Puts a short text together in `text`.
    private mutating func compose(_ parts: TextPart...) {
        text.removeAll(keepingCapacity: true)
        text.append(parts)
    }
}
