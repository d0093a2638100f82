// What several benchmarks send.

import OTLP

/// Spans of ten attributes, 334 bytes of JSON, all different in ids, times and some values.
///
/// - Parameter end: what the first of them begins a second before, in Unix nanoseconds.
public func tenAttributes(firstSpan: Int, spanCount: Int, before end: UInt64) -> [UInt8] {
    var writer = ProtobufWriter(reserving: spanCount * 512)
    writer.message(1) { group in
        group.message(1) { resource in
            attribute(&resource, 1, "service.name", "service-\(firstSpan / spanCount % 50)")
            attribute(&resource, 1, "host.name", "host-\(firstSpan / spanCount % 7)")
        }
        group.message(2) { scope in
            scope.message(1) { $0.string(1, "bench") }
            for number in firstSpan..<(firstSpan + spanCount) { span(&scope, number, end) }
        }
    }
    return writer.bytes
}

private func span(_ scope: inout ProtobufWriter, _ number: Int, _ end: UInt64) {
    // Twenty spans a trace; trace ids spread as random ones do.
    let trace = UInt64(number / 20 + 1) &* 0x9E37_79B9_7F4A_7C15
    let start = end - 1_000_000_000 + UInt64(number) * 1_000
    scope.message(2) { span in
        span.identifier(1, trace, trace ^ 0x5555)
        span.identifier(2, UInt64(number) &* 0xD1B5_4A32_D192_ED03)
        span.identifier(4, UInt64(number / 2) &* 0xD1B5_4A32_D192_ED03)
        span.string(5, "GET /api/items/{id}")
        span.varint(6, 2)
        span.fixed64(7, start)
        span.fixed64(8, start + UInt64(number % 977) * 10_000)
        attribute(&span, 9, "http.request.method", number % 3 == 0 ? "POST" : "GET")
        attribute(&span, 9, "url.scheme", "https")
        attribute(&span, 9, "url.path", "/api/items/\(number)")
        attribute(&span, 9, "http.route", "/api/items/{id}")
        attribute(&span, 9, "server.address", "shop-\(number % 31).example.com")
        attribute(&span, 9, "network.protocol.version", "1.1")
        attribute(
            &span, 9, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) r\(number % 99)")
        attribute(&span, 9, "client.address", "10.0.\(number % 200).\(number % 250)")
        span.message(9) { pair in
            pair.string(1, "http.response.status_code")
            pair.message(2) { $0.int(3, number % 50 == 0 ? 500 : 200) }
        }
        span.message(9) { pair in
            pair.string(1, "server.port")
            pair.message(2) { $0.int(3, 443) }
        }
    }
}

private func attribute(
    _ parent: inout ProtobufWriter, _ field: Int, _ key: String, _ value: String
) {
    parent.message(field) { pair in
        pair.string(1, key)
        pair.message(2) { $0.string(1, value) }
    }
}
