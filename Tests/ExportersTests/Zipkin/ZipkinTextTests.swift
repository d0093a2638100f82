import Bytes
import Foundation
import OTLP
import Testing

@testable import Exporters

/// What Zipkin gets for an OTLP request, parsed.
private func zipkin(_ json: String) throws -> [[String: Any]] {
    let request = try payload(.traces, json)
    var index = TelemetryIndex()
    try index.rebuild(over: request.rawSpan, as: .traces)
    var text = ZipkinText(defaultServiceName: "nobody")
    text.append(request, index)
    let parsed = try JSONSerialization.jsonObject(with: Data(text.finish()))
    return try #require(parsed as? [[String: Any]])
}

/// The one span of a request whose span has these fields beside its ids.
private func zipkinSpan(_ fields: String, resource: String = "") throws -> [String: Any] {
    let ids = #""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718""#
    let span = fields.isEmpty ? "{\(ids)}" : "{\(ids),\(fields)}"
    let spans = try zipkin(
        """
        {"resourceSpans":[{"resource":{"attributes":[\(resource)]},
         "scopeSpans":[{"spans":[\(span)]}]}]}
        """)
    #expect(spans.count == 1)
    return spans[0]
}

private func attribute(_ key: String, _ value: String) -> String {
    #"{"key":"\#(key)","value":{"stringValue":"\#(value)"}}"#
}

private func tags(_ span: [String: Any]) -> [String: String] {
    span["tags"] as? [String: String] ?? [:]
}

@Suite struct ZipkinTextTests {
    @Test func `A whole span becomes what the specification says`() throws {
        let span = try zipkin(
            """
            {"resourceSpans":[{
              "resource":{"attributes":[
                {"key":"service.name","value":{"stringValue":"checkout"}},
                {"key":"host.name","value":{"stringValue":"h1"}}]},
              "scopeSpans":[{"scope":{"name":"lib","version":"1.2"},"spans":[{
                "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718",
                "parentSpanId":"2122232425262728","traceState":"a=b","name":"say \\"hi\\"\\n","kind":3,
                "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000125456789",
                "attributes":[
                  {"key":"n","value":{"intValue":"-7"}},
                  {"key":"d","value":{"doubleValue":0.5}},
                  {"key":"b","value":{"boolValue":true}},
                  {"key":"raw","value":{"bytesValue":"AQID/w=="}},
                  {"key":"list","value":{"arrayValue":{"values":[
                    {"intValue":"1"},{"stringValue":"x"},{"doubleValue":"NaN"}]}}},
                  {"key":"map","value":{"kvlistValue":{"values":[
                    {"key":"k","value":{"boolValue":false}}]}}},
                  {"key":"server.address","value":{"stringValue":"db.local"}},
                  {"key":"server.port","value":{"intValue":"5432"}}],
                "events":[
                  {"timeUnixNano":"1700000000124000999","name":"plain"},
                  {"timeUnixNano":"1700000000125000000","name":"e","attributes":[
                    {"key":"k","value":{"intValue":"1"}}]}],
                "links":[{"traceId":"a102030405060708090a0b0c0d0e0f10","spanId":"b112131415161718",
                  "traceState":"c=d","droppedAttributesCount":2}],
                "status":{"code":2,"message":"went wrong"},"droppedEventsCount":4}]}]}]}
            """)
        let expected = """
            [{"traceId":"0102030405060708090a0b0c0d0e0f10","id":"1112131415161718",
              "parentId":"2122232425262728","name":"say \\"hi\\"\\n","kind":"CLIENT",
              "timestamp":1700000000123456,"duration":2000,
              "localEndpoint":{"serviceName":"checkout"},
              "remoteEndpoint":{"serviceName":"db.local","port":5432},
              "annotations":[
                {"timestamp":1700000000124000,"value":"plain"},
                {"timestamp":1700000000125000,"value":"\\"e\\": {\\"k\\":1}"}],
              "tags":{"host.name":"h1","otel.scope.name":"lib","otel.scope.version":"1.2",
                "n":"-7","d":"0.5","b":"true","raw":"AQID/w==","list":"[1,\\"x\\",\\"NaN\\"]",
                "map":"{\\"k\\":false}","server.address":"db.local","server.port":"5432",
                "w3c.tracestate":"a=b","error":"went wrong","otel.status_code":"ERROR",
                "otel.dropped_events_count":"4",
                "otlp.link.0":"a102030405060708090a0b0c0d0e0f10|b112131415161718|c=d|{}|2"}}]
            """
        let wanted = try JSONSerialization.jsonObject(with: Data(expected.utf8))
        #expect((span as NSArray).isEqual(wanted))
    }

    @Test func `What is empty is left out`() throws {
        let span = try zipkinSpan("")
        #expect(Set(span.keys) == ["traceId", "id", "localEndpoint"])
    }

    @Test(
        arguments: [
            (0, nil), (1, nil), (2, "SERVER"), (3, "CLIENT"), (4, "PRODUCER"), (5, "CONSUMER"),
        ] as [(Int, String?)])
    func `Kinds`(kind: Int, name: String?) throws {
        let span = try zipkinSpan("\"kind\":\(kind)")
        #expect(span["kind"] as? String == name)
        #expect(tags(span)["span.kind"] == (kind == 1 ? "internal" : nil))
    }

    @Test(
        arguments: [
            (2_000, 3_999, 1), (2_000, 5_000, 3), (2_000, 2_001, 1), (2_000, 2_000, 1),
            (2_000, 1_000, nil), (2_000, 0, nil), (0, 5_000, nil),
        ] as [(Int, Int, Int?)])
    func `Durations are whole microseconds, at least one`(
        start: Int, end: Int, duration: Int?
    ) throws {
        let span = try zipkinSpan(
            #""startTimeUnixNano":"\#(start)","endTimeUnixNano":"\#(end)""#)
        #expect(span["duration"] as? Int == duration)
    }

    @Test(
        arguments: [
            ("", nil, nil), (#""code":1,"message":"ignored""#, "OK", nil),
            (#""code":2"#, "ERROR", ""), (#""code":2,"message":"why""#, "ERROR", "why"),
        ] as [(String, String?, String?)])
    func `Status decides about the error tag`(
        status: String, code: String?, error: String?
    ) throws {
        let span = try zipkinSpan(
            #""status":{\#(status)},"attributes":[\#(attribute("error", "false"))]"#)
        #expect(tags(span)["otel.status_code"] == code)
        #expect(tags(span)["error"] == error)
    }

    @Test(
        arguments: [
            (["service.name": "a", "faas.name": "b"], "a", nil),
            (["faas.name": "b", "k8s.deployment.name": "c"], "b", "faas.name"),
            (["process.executable.name": "d"], "d", "process.executable.name"),
            (["host.name": "h"], "nobody", nil),
        ] as [([String: String], String, String?)])
    func `The service's name and where it is from`(
        resource: [String: String], name: String, source: String?
    ) throws {
        let span = try zipkinSpan(
            "", resource: resource.map { attribute($0.key, $0.value) }.joined(separator: ","))
        let endpoint = span["localEndpoint"] as? [String: Any]
        #expect(endpoint?["serviceName"] as? String == name)
        #expect(tags(span)["otlp.service.name.source"] == source)
        #expect(tags(span)["service.name"] == nil)
    }

    @Test(
        arguments: [
            (3, ["peer.service", "server.address"], "peer.service"),
            (3, ["server.address", "net.peer.name"], "server.address"),
            (4, ["net.peer.name", "network.peer.address"], "net.peer.name"),
            (4, ["network.peer.address", "net.sock.peer.name"], "network.peer.address"),
            (3, ["net.sock.peer.name", "peer.hostname"], "net.sock.peer.name"),
            (3, ["peer.hostname", "peer.address"], "peer.hostname"),
            (3, ["peer.address", "db.name"], "peer.address"),
            (3, ["db.name"], "db.name"),
            (2, ["server.address", "network.peer.address"], "network.peer.address"),
            (2, ["server.address"], nil),
            (1, ["peer.service"], nil),
        ] as [(Int, [String], String?)])
    func `The remote endpoint is the first of a ranking`(
        kind: Int, keys: [String], winner: String?
    ) throws {
        let attributes = keys.reversed().map { attribute($0, "of \($0)") }.joined(separator: ",")
        let span = try zipkinSpan("\"kind\":\(kind),\"attributes\":[\(attributes)]")
        let endpoint = span["remoteEndpoint"] as? [String: Any]
        #expect(endpoint?["serviceName"] as? String == winner.map { "of \($0)" })
    }

    @Test(arguments: [
        ("10.0.0.7", "ipv4"), ("2001:db8::7", "ipv6"), ("cache", "serviceName"),
        ("10.0.0.999", "serviceName"),
    ])
    func `Addresses and names are told apart`(value: String, field: String) throws {
        let attributes =
            attribute("network.peer.address", value) + "," + attribute("network.peer.port", "443")
        let span = try zipkinSpan("\"kind\":3,\"attributes\":[\(attributes)]")
        let endpoint = span["remoteEndpoint"] as? [String: Any]
        #expect(endpoint?[field] as? String == value)
        #expect(endpoint?["port"] as? Int == 443)
    }

    @Test func `The span's attributes win over the resource's`() throws {
        let span = try zipkinSpan(
            "\"attributes\":[\(attribute("env", "span"))]", resource: attribute("env", "resource"))
        #expect(tags(span)["env"] == "span")
    }

    @Test(arguments: [(9_000, true), (90_000, false)])
    func `A list is given up when it swells beyond the limit`(limit: Int, isTooLarge: Bool) throws {
        let value = String(repeating: "x", count: 5_000)
        let span = #"{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}"#
        let request = try payload(
            .traces,
            """
            {"resourceSpans":[{"resource":{"attributes":[\(attribute("k", value))]},
             "scopeSpans":[{"spans":[\(span),\(span),\(span),\(span)]}]}]}
            """)
        var index = TelemetryIndex()
        try index.rebuild(over: request.rawSpan, as: .traces)
        var text = ZipkinText(defaultServiceName: "nobody", bytesMax: limit)
        text.append(request, index)
        #expect(text.isTooLarge == isTooLarge)
    }
}
