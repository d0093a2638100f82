import Bytes
import Compression
import HTTP
import OTLP
import Pipeline
import Platform
import Testing

@testable import Receivers

/// What a request takes of the memory that all share.
@Suite struct OTLPWorkspaceTests {
    private struct Outcome: Equatable {
        var status: Int?
        var limit: String?
        var items = 0
        var isForWorker = false
    }

    private static func check(
        _ body: [UInt8], _ signal: Signal = .traces, _ encoding: ContentEncoding = .identity,
        _ content: BodyEncoding = .protobuf, budget: ByteBudget,
        limits: RequestMemory.Limits = .init(), isOnLoop: Bool = false
    ) -> Outcome {
        let memory = RequestMemory(budget, limits, bodyBytes: body.count)
        let request = OTLPRequest(
            body: OTLPBody(signal: signal, content: content, encoding: encoding),
            context: RequestContext(receivedAt: 0))
        let workspace = OTLPWorkspace()
        do throws(OTLPWorkspace.Failure) {
            let checked = try workspace.check(
                body, request, bytesMax: 64 << 20, loopBytesMax: isOnLoop ? 1 << 20 : nil, memory)
            return Outcome(items: checked.batch.itemCount)
        } catch {
            switch error {
            case .needsWorker: return Outcome(isForWorker: true)
            case .refused(let failure):
                return Outcome(
                    status: failure.status.code, limit: failure.limit?.description)
            }
        }
    }

    /// Log records without content: two bytes, which an index makes 52 of.
    private static func logs(_ count: Int) -> [UInt8] {
        var scope = ProtobufWriter()
        scope.bytes(2, (0..<count).flatMap { _ in [0x12, 0] as [UInt8] })
        var request = ProtobufWriter()
        request.bytes(1, scope.bytes)
        return request.bytes
    }

    private static func json(_ count: Int) -> [UInt8] {
        let records = Array(repeating: "{}", count: count).joined(separator: ",")
        return Array(
            #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[\#(records)]}]}]}"#.utf8)
    }

    @Test func `A usual request takes nothing beside its body`() {
        let budget = ByteBudget(limit: 0)
        #expect(Self.check(Self.logs(5000), .logs, budget: budget) == Outcome(items: 5000))
    }

    @Test func `The index of many messages is in the budget until the request is answered`() {
        let budget = ByteBudget(limit: 8 << 20)
        #expect(Self.check(Self.logs(100_000), .logs, budget: budget) == Outcome(items: 100_000))
        #expect(budget.highest >= 100_000 * 52)
        #expect(budget.used == 0)
    }

    @Test func `What could never fit is too large, what others have is for later`() {
        let key = "service.limits.request_bodies"
        let small = ByteBudget(limit: 5 << 20)
        #expect(
            Self.check(Self.logs(100_000), .logs, budget: small)
                == Outcome(status: 413, limit: key))
        let shared = ByteBudget(limit: 8 << 20)
        #expect(shared.reserve(4 << 20))
        #expect(
            Self.check(Self.logs(100_000), .logs, budget: shared)
                == Outcome(status: 503, limit: key))
        #expect(shared.used == 4 << 20)
    }

    @Test func `A request has a limit on its messages`() {
        let budget = ByteBudget(limit: .max)
        let limits = RequestMemory.Limits(messagesMax: 9000)
        #expect(
            Self.check(Self.logs(8998), .logs, budget: budget, limits: limits).items == 8998)
        #expect(
            Self.check(Self.logs(8999), .logs, budget: budget, limits: limits)
                == Outcome(status: 413, limit: "service.limits.request_messages"))
        #expect(budget.highest < 1 << 20)
    }

    @Test func `A loop leaves many messages to a worker`() {
        let budget = ByteBudget(limit: 8 << 20)
        #expect(
            Self.check(Self.logs(9000), .logs, budget: budget, isOnLoop: true)
                == Outcome(isForWorker: true))
    }

    @Test(arguments: [ContentEncoding.gzip, .zstd])
    func `Decompressed and transcoded bodies are in the budget, and given back`(
        encoding: ContentEncoding
    ) {
        let body = Self.json(200_000)
        var compressor = Compressor(encoding)
        let small = compressor.compress(body.rawSpan)
        let budget = ByteBudget(limit: 64 << 20)
        #expect(
            Self.check(small, .logs, encoding, .json, budget: budget) == Outcome(items: 200_000))
        #expect(budget.highest >= 3 * body.count)
        #expect(budget.used == 0)
        let tight = ByteBudget(limit: body.count)
        #expect(Self.check(small, .logs, encoding, .json, budget: tight).status == 413)
        #expect(tight.used == 0)
    }

    @Test func `A repaired copy is in the budget`() {
        var request = ProtobufWriter()
        request.message(1) { $0.bytes(3, Array(repeating: 0xFF, count: 1000)) }
        #expect(
            Self.check(request.bytes, budget: ByteBudget(limit: 1000)).status == 413)
        let budget = ByteBudget(limit: 16_000)
        #expect(Self.check(request.bytes, budget: budget) == Outcome(items: 0))
        #expect(budget.used == 0)
    }
}
