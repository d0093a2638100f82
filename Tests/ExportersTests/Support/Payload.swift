import OTLP
import Pipeline
import Platform

/// Payloads of one resource and one scope.
enum Payload {
    static func batch(
        _ signal: Signal, service: String? = "checkout", itemCount: Int = 1,
        _ items: (inout ProtobufWriter) -> Void
    ) -> QueuedBatch {
        batch(
            signal, itemCount: itemCount,
            resource: { resource in
                guard let service else { return }
                resource.message(1) { $0.attribute("service.name") { $0.string(1, service) } }
            }, items)
    }

    static func batch(
        _ signal: Signal, itemCount: Int = 1, resource: (inout ProtobufWriter) -> Void,
        _ items: (inout ProtobufWriter) -> Void
    ) -> QueuedBatch {
        var writer = ProtobufWriter()
        writer.message(1) { group in
            group.message(1, resource)
            group.message(2) { scope in
                scope.message(1) { scope in
                    scope.string(1, "library")
                    scope.string(2, "1.2.3")
                    scope.message(3) { $0.attribute("scope.kind") { $0.string(1, "test") } }
                    scope.varint(4, 4)
                }
                items(&scope)
                scope.string(3, "https://example.com/scope")
            }
            group.string(3, "https://example.com/resource")
        }
        return QueuedBatch(
            signal: signal, payload: writer.bytes, itemCount: itemCount,
            enqueuedAt: Instant(nanoseconds: 0))
    }

    /// A span of a resource that has every field.
    static func wholeResource() -> QueuedBatch {
        batch(
            .traces,
            resource: { resource in
                resource.message(1) { $0.attribute("service.name") { $0.string(1, "shop") } }
                resource.message(1) { $0.attribute("service.namespace") { $0.string(1, "eu") } }
                resource.message(1) { $0.attribute("service.instance.id") { $0.string(1, "i-1") } }
                resource.varint(2, 9)
                resource.message(3) { entity in
                    entity.string(1, "https://example.com/entity")
                    entity.string(2, "service")
                    entity.string(3, "service.name")
                    entity.string(4, "service.version")
                }
            }
        ) { $0.message(2) { $0.identifier(1, 0, 1) } }
    }

    /// A span that has every field, 1.000000001 s long.
    static func wholeSpan() -> QueuedBatch {
        batch(.traces) { scope in
            scope.message(2) { span in
                span.identifier(1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)
                span.identifier(2, 0xffff_0000_0000_0001)
                span.string(3, "vendor=1,ot=th:c")
                span.identifier(4, 2)
                span.string(5, "GET /cart")
                span.varint(6, 2)
                span.fixed64(7, 1_700_000_000_123_456_789)
                span.fixed64(8, 1_700_000_001_123_456_790)
                span.message(9) { $0.attribute("http.status") { $0.int(3, 200) } }
                span.varint(10, 3)
                span.message(11) { event in
                    event.fixed64(1, 1_700_000_000_500_000_000)
                    event.string(2, "exception")
                    event.message(3) { $0.attribute("escaped") { $0.bool(2, false) } }
                    event.varint(4, 5)
                }
                span.message(11) { $0.string(2, "bare") }
                span.varint(12, 6)
                span.message(13) { link in
                    link.identifier(1, 1, 2)
                    link.identifier(2, 3)
                    link.string(3, "a=b")
                    link.message(4) { $0.attribute("why") { $0.string(1, "batch") } }
                    link.varint(5, 7)
                    link.fixed32(6, 257)
                }
                span.varint(14, UInt64(UInt32.max))
                span.message(15) { status in
                    status.string(2, "boom")
                    status.varint(3, 2)
                }
                span.fixed32(16, 769)
            }
        }
    }

    /// A metric whose data is the message in `field`.
    static func metric(
        _ field: Int, name: String = "m", pointCount: Int = 1,
        _ data: (inout ProtobufWriter) -> Void
    ) -> QueuedBatch {
        batch(.metrics, itemCount: pointCount) { scope in
            scope.message(2) { metric in
                metric.string(1, name)
                metric.string(2, "what it is")
                metric.string(3, "By")
                metric.message(field, data)
                metric.message(12) { $0.attribute("origin") { $0.string(1, "prometheus") } }
            }
        }
    }

    /// The fields of a `NumberDataPoint`: all of them, with two exemplars.
    static func wholeNumber(_ point: inout ProtobufWriter, start: UInt64, time: UInt64) {
        point.fixed64(2, start)
        point.fixed64(3, time)
        point.fixed64(6, UInt64(bitPattern: -9_007_199_254_740_993))
        point.message(7) { $0.attribute("disk") { $0.string(1, "sda") } }
        point.varint(8, 2)
        point.message(5) { exemplar in
            exemplar.fixed64(2, 150)
            exemplar.fixed64(6, 3)
            exemplar.identifier(4, 11)
            exemplar.identifier(5, 0, 12)
            exemplar.message(7) { $0.attribute("user") { $0.string(1, "u") } }
        }
        point.message(5) { $0.double(3, 1.5) }
    }

    /// Spans with ids 1…count, all of one trace unless the trace is given.
    static func spans(_ count: Int, trace: UInt64 = 7, size: Int = 0) -> QueuedBatch {
        batch(.traces, itemCount: count) { scope in
            for number in 1...UInt64(count) {
                scope.message(2) { span in
                    span.identifier(1, 0, trace)
                    span.identifier(2, number)
                    span.string(5, "operation")
                    span.fixed64(7, 1_700_000_000_000_000_000 + number)
                    span.fixed64(8, 1_700_000_000_000_500_000 + number)
                    guard size > 0 else { return }
                    let filler = String(repeating: "x", count: size)
                    span.message(9) { $0.attribute("filler") { $0.string(1, filler) } }
                }
            }
        }
    }
}

extension ProtobufWriter {
    /// The fields of a `KeyValue`.
    mutating func attribute(_ key: String, _ value: (inout ProtobufWriter) -> Void) {
        string(1, key)
        message(2, value)
    }
}
