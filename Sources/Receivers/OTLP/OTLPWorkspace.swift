import Bytes
import Compression
import HTTP
import OTLP
import Pipeline
import Platform
import Synchronization

/// What one request at a time needs to become a batch: decoders and an index whose memory is
/// reused.
final class OTLPWorkspace {
    private var decompressor = Decompressor()
    private var transcoder = OTLPJSON.Transcoder()
    private var index = TelemetryIndex()

    /// A request's telemetry, checked and ready for the pipelines.
    struct Checked {
        var batch: Batch
        var rejectedItemCount = 0
        /// Of the first rejected item: which and why.
        var firstFault: (item: Int, fault: ItemFault)?
        var repairedTextCount = 0
    }

    /// Decompresses, transcodes, validates, sorts out invalid items.
    ///
    /// - Parameters:
    ///   - bytesMax: of the body after decompression.
    ///   - reserve: room for more bytes; the caller gives it back when the request is answered.
    func check(
        _ body: [UInt8], _ request: OTLPRequest, bytesMax: Int, reserve: (Int) -> Bool
    ) throws(OTLPFailure) -> Checked {
        let plain = try decompress(
            body, request.body.encoding, bytesMax: bytesMax, reserve: reserve)
        var repaired = 0
        var payload = plain
        if request.body.content == .json {
            let transcoded = try transcode(plain, request.signal, bytesMax: bytesMax)
            payload = transcoded.protobuf
            repaired = transcoded.replacedCount
        }
        try rebuildIndex(over: payload, request.signal)
        if index.needsRepair {
            repaired += index.textFaultCount
            payload = try repair(payload, request.signal, bytesMax: bytesMax)
            try rebuildIndex(over: payload, request.signal)
        }
        var checked = Checked(batch: Batch(payload: payload, index: index))
        checked.repairedTextCount = repaired
        if index.faultyItemCount > 0 { removeFaulty(from: &checked) }
        return checked
    }

    private func decompress(
        _ body: [UInt8], _ encoding: ContentEncoding, bytesMax: Int, reserve: (Int) -> Bool
    ) throws(OTLPFailure) -> [UInt8] {
        do throws(DecompressionError) {
            return try decompressor.decompress(body, encoding, limit: bytesMax, reserve: reserve)
        } catch {
            switch error {
            case .tooLarge:
                throw OTLPFailure(
                    status: .contentTooLarge,
                    message: "the body is larger than \(bytesMax) bytes after decompression; "
                        + "send smaller batches or raise max_request_body_size")
            case .overBudget:
                throw .overloaded("no room for the decompressed body; send again later")
            default:
                throw .badData("the body is not valid \(encoding.name): \(error.description)")
            }
        }
    }

    private func transcode(
        _ json: [UInt8], _ signal: Signal, bytesMax: Int
    ) throws(OTLPFailure) -> OTLPJSON.Transcoded {
        do throws(OTLPJSONError) {
            return try transcoder.transcode(json.rawSpan, as: signal, outputBytesMax: bytesMax)
        } catch {
            if case .tooLarge = error.reason {
                throw OTLPFailure(status: .contentTooLarge, message: error.description)
            }
            throw .badData(error.description, in: error.path.isEmpty ? "body" : error.path)
        }
    }

    /// - Parameter bytesMax: of the result; each byte that is not UTF-8 becomes three.
    private func repair(
        _ payload: [UInt8], _ signal: Signal, bytesMax: Int
    ) throws(OTLPFailure) -> [UInt8] {
        do throws(WireError) {
            return try PayloadRepair.repair(payload, as: signal, bytesMax: bytesMax)
        } catch {
            throw OTLPFailure(
                status: .contentTooLarge,
                message: "text in the body is not UTF-8, and with U+FFFD in the place of what is "
                    + "wrong it is larger than \(bytesMax) bytes; send UTF-8")
        }
    }

    private func rebuildIndex(over payload: [UInt8], _ signal: Signal) throws(OTLPFailure) {
        do throws(WireError) {
            try index.rebuild(over: payload.rawSpan, as: signal)
        } catch {
            throw .badData(error.description)
        }
    }

    private func removeFaulty(from checked: inout Checked) {
        var edit = PayloadEdit()
        for (number, item) in index.items.enumerated() where item.fault != .none {
            if checked.firstFault == nil { checked.firstFault = (number, item.fault) }
            edit.removeItem(number)
        }
        checked.rejectedItemCount = edit.removedItemCount
        checked.batch.apply(edit)
    }
}

/// Workspaces for as many requests as are worked on at once: one a thread, in effect.
final class OTLPWorkspaces: Sendable {
    // SAFETY: a workspace is either in the list or with the one thread that took it out.
    private struct Idle: @unchecked Sendable {
        var workspaces: [OTLPWorkspace] = []
    }

    private let idle = Mutex(Idle())

    func with<Result>(_ body: (OTLPWorkspace) -> Result) -> Result {
        let taken = idle.withLock { $0.workspaces.popLast() }
        let workspace = taken ?? OTLPWorkspace()
        defer { idle.withLock { $0.workspaces.append(workspace) } }
        return body(workspace)
    }
}
