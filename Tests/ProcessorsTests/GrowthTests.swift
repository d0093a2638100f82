import Bytes
import OTLP
import Pipeline
import Testing

@testable import Processors

/// What processors may add to a request.
@Suite struct GrowthTests {
    private static let value = String(repeating: "v", count: 4_000)

    private func process<Factory: ProcessorFactory>(
        _ factory: Factory.Type, _ yaml: String, _ batch: Batch
    ) throws -> Batch { try processed(factory, yaml, batch) }

    /// Resources with one log record each.
    private func records(_ count: Int, attributes: [Pair] = []) -> Batch {
        batch(
            .logs,
            (0..<count).map { _ in Group(resource: [], items: [Item(attributes: attributes)]) })
    }

    @Test func `A resource without items gets nothing`() throws {
        var empty = ProtobufWriter()
        for _ in 0..<1_000 { empty.message(1) { _ in } }
        let groups = [
            Group(resource: ["a"], items: [Item()]), Group(resource: ["b"], items: []),
        ]
        var payload = batch(.traces, groups).payload
        payload += empty.bytes
        var index = TelemetryIndex()
        try index.rebuild(over: payload.rawSpan, as: .traces)
        let after = try process(
            ResourceProcessorFactory.self, "{attributes: [{key: k, value: v, action: insert}]}",
            Batch(payload: payload, index: index))
        #expect(
            after.index.resources.map(\.attributeCount) == [2, 1]
                + Array(repeating: 0, count: 1_000))
        #expect(after.payload.suffix(2_000) == payload.suffix(2_000))
    }

    @Test func `What has to go from a resource goes, also where it has no items`() throws {
        let groups = [
            Group(resource: ["secret", "kept"], items: [Item()]),
            Group(resource: ["secret", "kept"], items: []),
        ]
        let after = try process(
            ResourceProcessorFactory.self,
            "{attributes: [{key: secret, action: delete}, {key: k, value: v, action: upsert}]}",
            batch(.traces, groups))
        #expect(after.index.resources.map(\.attributeCount) == [2, 1])
        #expect(!String(decoding: after.payload, as: UTF8.self).contains("secret"))
    }

    @Test(arguments: ["insert", "upsert"])
    func `A resource processor may add 4 MiB, and refuses what is more`(action: String) throws {
        let yaml = "{attributes: [{key: k, value: \(Self.value), action: \(action)}]}"
        let after = try process(ResourceProcessorFactory.self, yaml, records(1_000))
        #expect(after.itemCount == 1_000 && after.payload.count > 4_000_000)
        let error = #expect(throws: Refusal.self) {
            try process(ResourceProcessorFactory.self, yaml, records(1_100))
        }
        #expect(error?.kind == .tooLarge)
        #expect(error?.reason.contains("service.limits.edit_growth") == true)
    }

    @Test func `A larger request may grow by four times its size`() throws {
        let text = Pair("text", .string(String(repeating: "t", count: 3_000)))
        let yaml = "{actions: [{key: k, value: \(Self.value), action: insert}]}"
        let large = try process(
            AttributesProcessorFactory.self, yaml, records(1_500, attributes: [text]))
        #expect(large.payload.count > 10_000_000)
        #expect(throws: Refusal.self) {
            try process(AttributesProcessorFactory.self, yaml, records(1_500))
        }
    }

    @Test func `All edits of a batch together are bounded`() throws {
        var batch = records(600)
        for key in ["a", "b"] {
            let processor = try Bench().make(
                AttributesProcessorFactory.self,
                "{actions: [{key: \(key), value: \(Self.value), action: insert}]}")
            if key == "a" {
                try processor.process(&batch, RequestContext(receivedAt: 0))
            } else {
                let before = batch.payload
                #expect(throws: Refusal.self) {
                    try processor.process(&batch, RequestContext(receivedAt: 0))
                }
                #expect(batch.payload == before && batch.itemCount == 600)
            }
        }
    }

    @Test(arguments: [
        "{key: k, from_attribute: long, action: update}",
        "{key: long, pattern: \"(?P<k>.*)\", action: extract}",
    ])
    func `A key that stands many times does not take a long value as often`(
        action: String
    ) throws {
        let long = Pair("long", .string(String(repeating: "l", count: 100_000)))
        let many = Array(repeating: Pair("k", .string("")), count: 20_000)
        let batch = records(1, attributes: [long] + many)
        #expect(throws: Refusal.self) {
            try process(AttributesProcessorFactory.self, "{actions: [\(action)]}", batch)
        }
    }

    @Test func `What would be added is known before`() throws {
        let context = RequestContext(metadata: ["tenant": ["acme"]], receivedAt: 0)
        let resource = try Bench().make(
            ResourceProcessorFactory.self,
            "{attributes: [{key: k, value: \(Self.value), action: insert}]}")
        #expect(resource.growth(of: records(10), context) > 40_000)
        let attributes = try Bench().make(
            AttributesProcessorFactory.self,
            "{actions: [{key: k, from_context: metadata.tenant, action: upsert}]}")
        #expect((50...100).contains(attributes.growth(of: records(10), context)))
        let sampler = try Bench().make(
            ProbabilisticSamplerFactory.self, "{sampling_percentage: 10}")
        #expect(sampler.growth(of: records(10), context) == 0)
    }
}
