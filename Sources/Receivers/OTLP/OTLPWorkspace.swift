import Bytes
import Compression
import HTTP
import OTLP
import Pipeline
import Platform
import Synchronization

/// What one request at a time needs to become a batch: decoders and an index whose memory is
/// reused. What only a large request needs is given back with it.
final class OTLPWorkspace {
    private var decompressor = Decompressor()
    private var transcoder = OTLPJSON.Transcoder()
    private var index = TelemetryIndex()
    /// What the request at hand has taken for `index`.
    private var indexBytes = 0
    /// Whether its client knows nothing of protobuf and of offsets in it.
    private var isJSON = false

    /// A request's telemetry, checked and ready for the pipelines.
    struct Checked {
        var batch: Batch
        var rejectedItemCount = 0
        /// Of the first rejected item: which and why.
        var firstFault: (item: Int, fault: ItemFault)?
        var repairedTextCount = 0
    }

    /// Why a request does not become a batch here.
    enum Failure: Error {
        case refused(OTLPFailure)
        /// It takes more time than a loop has.
        case needsWorker

        static func badData(_ message: String, in field: String = "body") -> Failure {
            .refused(.badData(message, in: field))
        }
        static func tooLarge(_ message: String, _ limit: StaticString) -> Failure {
            .refused(
                OTLPFailure(status: .contentTooLarge, message: message, limit: limit))
        }
    }

    /// Decompresses, transcodes, validates, sorts out invalid items.
    ///
    /// - Parameters:
    ///   - bytesMax: of the body after decompression.
    ///   - loopBytesMax: more of it than this is not worked on here; nil where there is time.
    ///   - memory: of the request; the caller gives it back when the request is answered.
    func check(
        _ body: [UInt8], _ request: OTLPRequest, bytesMax: Int, loopBytesMax: Int?,
        _ memory: RequestMemory
    ) throws(Failure) -> Checked {
        var payload = try decompress(
            body, request.body.encoding, bytesMax: bytesMax, loopBytesMax, memory)
        var repaired = 0
        isJSON = request.body.content == .json
        if isJSON {
            let json = payload.count
            let transcoded = try transcode(payload, request.signal, bytesMax: bytesMax, memory)
            payload = transcoded.protobuf
            repaired = transcoded.replacedCount
            if request.body.encoding != .identity { memory.giveBack(json) }
        }
        try rebuildIndex(over: payload, request.signal, isOnLoop: loopBytesMax != nil, memory)
        if index.needsRepair {
            repaired += index.textFaultCount
            payload = try repair(payload, request.signal, bytesMax: bytesMax, memory)
            try rebuildIndex(over: payload, request.signal, isOnLoop: false, memory)
        }
        var checked = Checked(batch: Batch(payload: payload, index: index, memory: memory))
        checked.repairedTextCount = repaired
        if index.faultyItemCount > 0 { try removeFaulty(from: &checked) }
        return checked
    }

    /// Makes ready for the next request, when the batch is gone.
    func finish() {
        index.trim()
        indexBytes = 0
    }

    private func decompress(
        _ body: [UInt8], _ encoding: ContentEncoding, bytesMax: Int, _ loopBytesMax: Int?,
        _ memory: RequestMemory
    ) throws(Failure) -> [UInt8] {
        guard encoding != .identity else {
            // Whoever hands over a body has charged it.
            guard body.count <= bytesMax else { throw tooLarge(bytesMax) }
            return body
        }
        var taken = 0
        var shortage: ByteBudget.Shortage?
        do throws(DecompressionError) {
            let plain = try decompressor.decompress(
                body, encoding, limit: min(bytesMax, loopBytesMax ?? bytesMax)
            ) { bytes in
                do throws(ByteBudget.Shortage) {
                    try memory.take(bytes)
                    taken += bytes
                    return true
                } catch {
                    shortage = error
                    return false
                }
            }
            memory.giveBack(taken - plain.count)
            return plain
        } catch {
            memory.giveBack(taken)
            switch error {
            case .tooLarge where loopBytesMax ?? bytesMax < bytesMax: throw .needsWorker
            case .tooLarge: throw tooLarge(bytesMax)
            case .overBudget: throw noRoom("the decompressed body", shortage ?? .later)
            default: throw .badData("the body is not valid \(encoding.name): \(error.description)")
            }
        }
    }

    private func tooLarge(_ bytesMax: Int) -> Failure {
        .tooLarge(
            "the body is larger than \(bytesMax) bytes after decompression; "
                + "send smaller batches or raise max_request_body_size",
            "max_request_body_size")
    }

    /// - Parameter purpose: as a noun.
    private func noRoom(_ purpose: String, _ shortage: ByteBudget.Shortage) -> Failure {
        switch shortage {
        case .later:
            var failure = OTLPFailure.overloaded("no room for \(purpose); send again later")
            failure.limit = Self.budgetKey
            return .refused(failure)
        case .never(let limit):
            return .tooLarge(
                "\(purpose) takes the request past the \(limit) bytes that all requests share; "
                    + "send smaller batches or raise \(Self.budgetKey)", Self.budgetKey)
        }
    }

    private static let budgetKey: StaticString = "service.limits.request_bodies"
    private static let messagesKey: StaticString = "service.limits.request_messages"

    private func take(
        _ bytes: Int, for purpose: String, _ memory: RequestMemory
    ) throws(Failure) {
        do throws(ByteBudget.Shortage) {
            try memory.take(bytes)
        } catch {
            throw noRoom(purpose, error)
        }
    }

    /// Of names, numbers and base64 text with escapes, at the first attempt.
    private static let scratchBytes = 256 << 10

    private func transcode(
        _ json: [UInt8], _ signal: Signal, bytesMax: Int, _ memory: RequestMemory
    ) throws(Failure) -> OTLPJSON.Transcoded {
        // Telemetry is shorter in protobuf, but for what nobody sends. Where it is written and the
        // result are as much memory twice; then a third for a moment, as the output has to grow.
        let limit = min(bytesMax, json.count)
        let first = try transcode(
            json, signal, limit, scratch: Self.scratchBytes,
            taking: 2 * limit + Self.scratchBytes, memory)
        if let first { return first }
        let most = min(bytesMax, 4 * json.count)
        let second = try transcode(
            json, signal, most, scratch: json.count, taking: 3 * most + json.count, memory)
        if let second { return second }
        throw .tooLarge(
            "the body is larger than \(bytesMax) bytes in protobuf; send smaller batches or raise "
                + "max_request_body_size", "max_request_body_size")
    }

    /// Nil where a limit was too small.
    private func transcode(
        _ json: [UInt8], _ signal: Signal, _ limit: Int, scratch: Int, taking bytes: Int,
        _ memory: RequestMemory
    ) throws(Failure) -> OTLPJSON.Transcoded? {
        try take(bytes, for: "the protobuf of the body", memory)
        do throws(OTLPJSONError) {
            let transcoded = try transcoder.transcode(
                json.rawSpan, as: signal, outputBytesMax: limit, scratchBytesMax: scratch)
            memory.giveBack(bytes - transcoded.protobuf.count)
            return transcoded
        } catch {
            memory.giveBack(bytes)
            if case .tooLarge = error.reason { return nil }
            throw .badData(error.description, in: error.path.isEmpty ? "body" : error.path)
        }
    }

    /// Where it is written, and the result.
    private static let repairedCopies = 2

    /// - Parameter bytesMax: of the result; each byte that is not UTF-8 becomes three.
    private func repair(
        _ payload: [UInt8], _ signal: Signal, bytesMax: Int, _ memory: RequestMemory
    ) throws(Failure) -> [UInt8] {
        var limit = min(bytesMax, payload.count + payload.count / 8)
        while true {
            let taken = limit * Self.repairedCopies
            try take(taken, for: "a repaired copy of the body", memory)
            do throws(WireError) {
                let repaired = try PayloadRepair.repair(payload, as: signal, bytesMax: limit)
                memory.giveBack(taken - repaired.count)
                return repaired
            } catch {
                memory.giveBack(taken)
                guard limit < bytesMax else {
                    throw .tooLarge(
                        "text in the body is not UTF-8, and with U+FFFD in the place of what is "
                            + "wrong it is larger than \(bytesMax) bytes; send UTF-8",
                        "max_request_body_size")
                }
                limit = min(bytesMax, limit * 2)
            }
        }
    }

    /// Payloads of this size have too many messages to be tried without counting them.
    private static let countedBytesMin = 512 << 10

    private func rebuildIndex(
        over payload: [UInt8], _ signal: Signal, isOnLoop: Bool, _ memory: RequestMemory
    ) throws(Failure) {
        let bytes = payload.rawSpan
        let kept = min(TelemetryIndex.messagesKept, memory.limits.messagesMax)
        if payload.count < Self.countedBytesMin, try rebuildIndex(bytes, signal, kept) { return }
        let counts = MessageCounts(of: bytes, as: signal)
        try makeRoom(counts, isOnLoop: isOnLoop, memory)
        guard try rebuildIndex(bytes, signal, counts.total) else {
            preconditionFailure("BUG: there are more messages than were counted")
        }
    }

    /// `false` where there are more messages.
    private func rebuildIndex(
        _ bytes: RawSpan, _ signal: Signal, _ messagesMax: Int
    ) throws(Failure) -> Bool {
        do throws(WireError) {
            try index.rebuild(over: bytes, as: signal, messagesMax: messagesMax)
            return true
        } catch {
            if case .tooManyMessages = error.reason { return false }
            throw .badData(isJSON ? "invalid OTLP/JSON: \(error.problem)" : error.description)
        }
    }

    private func makeRoom(
        _ counts: MessageCounts, isOnLoop: Bool, _ memory: RequestMemory
    ) throws(Failure) {
        guard counts.total <= memory.limits.messagesMax else {
            throw .tooLarge(
                "the request has \(counts.total) messages (resources, scopes, metrics, items and "
                    + "what describes them); the limit is \(memory.limits.messagesMax); send "
                    + "smaller batches or raise \(Self.messagesKey)", Self.messagesKey)
        }
        guard counts.total > TelemetryIndex.messagesKept else { return }
        if isOnLoop { throw .needsWorker }
        let bytes = counts.indexBytes
        if bytes > indexBytes {
            try take(bytes - indexBytes, for: "the index of the body", memory)
            indexBytes = bytes
        }
        index.reserve(counts)
    }

    private func removeFaulty(from checked: inout Checked) throws(Failure) {
        var edit = PayloadEdit()
        for (number, item) in index.items.enumerated() where item.fault != .none {
            if checked.firstFault == nil { checked.firstFault = (number, item.fault) }
            edit.removeItem(number)
        }
        checked.rejectedItemCount = edit.removedItemCount
        do throws(Refusal) {
            try checked.batch.apply(edit)
        } catch {
            throw .refused(OTLPFailure(error))
        }
    }
}

/// Workspaces for as many requests as are worked on at once: one a thread, in effect.
final class OTLPWorkspaces: Sendable {
    // SAFETY: a workspace is either in the list or with the one thread that took it out.
    private struct Idle: @unchecked Sendable {
        var workspaces: [OTLPWorkspace] = []
    }

    private let idle = Mutex(Idle())

    /// Lets go of those that nobody uses now.
    func trim() {
        let unused = idle.withLock { idle in
            defer { idle.workspaces = [] }
            return idle.workspaces
        }
        _ = consume unused
    }

    /// What is made in a workspace, batches above all, must not outlive the call.
    func with<Result>(_ body: (OTLPWorkspace) -> Result) -> Result {
        let taken = idle.withLock { $0.workspaces.popLast() }
        let workspace = taken ?? OTLPWorkspace()
        defer {
            workspace.finish()
            idle.withLock { $0.workspaces.append(workspace) }
        }
        return body(workspace)
    }
}
