import OTLP

/// Makes logs of the shop, as `ExportLogsServiceRequest`s.
///
///     message LogRecord {
///       fixed64 time_unix_nano = 1; SeverityNumber severity_number = 2; string severity_text = 3;
///       AnyValue body = 5; repeated KeyValue attributes = 6; fixed32 flags = 8;
///       bytes trace_id = 9; bytes span_id = 10; fixed64 observed_time_unix_nano = 11;
///       string event_name = 12;
///     }
struct LogGenerator {
    private enum Kind {
        case access, business, slow, failure, debug, event
    }

    /// What is logged, in the shares of a busy service; the same kind several times is likelier.
    private static let kinds: [Kind] = [
        .access, .access, .access, .access, .business, .business, .debug, .slow, .failure, .event,
    ]
    private static let sampledFlag: UInt32 = 0x01
    /// Records of one request to the shop, which share a trace.
    private static let recordsPerTrace = 5
    /// Records that belong to no trace: start-up, background work.
    private static let untracedPermille = 100

    private let services: [ShopService]
    private var random: LoadRandom
    private var identifiers: IdentifierSource
    private var envelopes: ServiceEnvelopes
    private var text: [UInt8] = []
    private var trace: TraceID
    private var recordsOfTrace = 0

    init(services: [ShopService], seed: UInt64, stream: Int) {
        self.services = services
        random = LoadRandom(seed: seed &+ LoadRandom.mix(UInt64(stream)))
        identifiers = IdentifierSource(seed: seed, stream: stream)
        envelopes = ServiceEnvelopes(services: services)
        trace = identifiers.traceID()
    }

    /// A request of exactly `recordCount` records, a millisecond of the past at most for each.
    mutating func request(recordCount: Int, unixNanoseconds: UInt64) -> [UInt8] {
        for index in 0..<recordCount {
            let age = UInt64(recordCount - index) * 10_000 + UInt64(random.below(10_000))
            let service = random.below(services.count)
            var writer = envelopes.take(service)
            writer.message(2) { write(at: unixNanoseconds &- age, to: &$0) }
            envelopes.put(writer, service)
        }
        return envelopes.request()
    }

    private mutating func write(at time: UInt64, to record: inout ProtobufWriter) {
        record.fixed64(1, time)
        let observedTime = time + UInt64(random.below(2_000_000))
        let kind = Self.kinds[random.below(Self.kinds.count)]
        switch kind {
        case .access: writeAccess(to: &record)
        case .business: writeBusiness(to: &record)
        case .slow: writeSlow(to: &record)
        case .failure: writeFailure(to: &record)
        case .debug: writeDebug(to: &record)
        case .event: writeEvent(to: &record)
        }
        if !random.chance(permille: Self.untracedPermille) { writeTrace(to: &record) }
        record.fixed64(11, observedTime)
        if kind == .event { record.string(12, "shop.cart.updated") }
    }

    private mutating func writeTrace(to record: inout ProtobufWriter) {
        if recordsOfTrace == Self.recordsPerTrace {
            trace = identifiers.traceID()
            recordsOfTrace = 0
        }
        recordsOfTrace += 1
        record.fixed32(8, Self.sampledFlag)
        record.identifier(9, trace.high, trace.low)
        record.identifier(10, identifiers.spanID().word)
    }

    private mutating func writeAccess(to record: inout ProtobufWriter) {
        let status = random.chance(permille: 40) ? 404 : 200
        severity(9, "INFO", &record)
        compose(
            "GET /products/", .number(random.below(100_000)), " ", .number(status), " in ",
            .number(1 + random.below(180)), " ms")
        body(&record)
        record.attribute(6, "http.request.method", "GET")
        record.attribute(6, "http.response.status_code", .integer(Int64(status)))
        record.attribute(6, "http.route", "/products/{id}")
        compose(
            "10.", .number(random.below(256)), ".", .number(random.below(256)), ".",
            .number(random.below(256)))
        record.attribute(6, "client.address", text: text)
    }

    private mutating func writeBusiness(to record: inout ProtobufWriter) {
        severity(9, "INFO", &record)
        let order = random.below(10_000_000)
        compose("order o-", .number(order), " placed: ", .number(1 + random.below(9)), " items")
        body(&record)
        compose("o-", .number(order))
        record.attribute(6, "shop.order.id", text: text)
        record.attribute(6, "shop.order.total", .double(Double(random.below(50_000)) / 100))
        record.attribute(6, "shop.customer.returning", .boolean(random.chance(permille: 400)))
    }

    private mutating func writeSlow(to record: inout ProtobufWriter) {
        severity(13, "WARN", &record)
        compose("query took ", .number(500 + random.below(4_000)), " ms, limit is 500 ms")
        body(&record)
        record.attribute(6, "db.system.name", "postgresql")
        record.attribute(6, "db.response.returned_rows", .integer(Int64(random.below(5_000))))
    }

    private mutating func writeFailure(to record: inout ProtobufWriter) {
        let exception = Vocabulary.exceptions[random.below(Vocabulary.exceptions.count)]
        severity(17, "ERROR", &record)
        record.message(5) { $0.string(1, exception.message) }
        record.attribute(6, "exception.type", .string(exception.type))
        record.attribute(6, "exception.message", .string(exception.message))
        record.attribute(6, "exception.stacktrace", .string(exception.stackTrace))
    }

    private mutating func writeDebug(to record: inout ProtobufWriter) {
        severity(5, "DEBUG", &record)
        compose("cache lookup, shard ", .number(random.below(16)))
        body(&record)
        record.attribute(6, "cache.hit", .boolean(random.chance(permille: 850)))
        record.attribute(6, "thread.id", .integer(Int64(1 + random.below(64))))
        record.attribute(6, "tags", ["cache", "lookup"])
    }

    /// An event with a structured body: `kvlist_value = 6`, `KeyValueList { values = 1; }`.
    private mutating func writeEvent(to record: inout ProtobufWriter) {
        severity(9, "INFO", &record)
        let itemCount = Int64(random.below(12))
        let price = Double(random.below(30_000)) / 100
        record.message(5) { body in
            body.message(6) { list in
                list.attribute(1, "cart.items", .integer(itemCount))
                list.attribute(1, "cart.total", .double(price))
                list.attribute(1, "cart.labels", ["gift", "express"])
            }
        }
    }

    private func severity(_ number: UInt64, _ text: String, _ record: inout ProtobufWriter) {
        record.varint(2, number)
        record.string(3, text)
    }

    private func body(_ record: inout ProtobufWriter) {
        record.message(5) { $0.bytes(1, text) }
    }

    /// Puts a short text together in `text`.
    private mutating func compose(_ parts: TextPart...) {
        text.removeAll(keepingCapacity: true)
        text.append(parts)
    }
}
