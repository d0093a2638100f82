import Bytes
import OTLP
import Pipeline

extension QueuedBatch {
    /// Payloads of this size are counted before they are indexed.
    private static let countedBytesMin = 512 << 10

    /// Says where the items stand: a queue holds bytes alone.
    ///
    /// - Parameter bytesMax: the most that the index may take, unless it is small.
    /// - Throws: `WireError` where the payload is not what this version takes, or has too many
    ///   messages. It was validated when it came, but another version may have done so, or one with
    ///   other limits.
    func index(into index: inout TelemetryIndex, bytesMax: Int) throws(WireError) {
        index.trim()
        let bytes = payload.rawSpan
        if bytes.byteCount < Self.countedBytesMin {
            do throws(WireError) {
                return try index.rebuildOutline(
                    over: bytes, as: signal, messagesMax: TelemetryIndex.messagesKept)
            } catch {
                guard case .tooManyMessages = error.reason else { throw error }
            }
        }
        let counts = MessageCounts(of: bytes, as: signal)
        guard counts.total <= TelemetryIndex.messagesKept || counts.indexBytes <= bytesMax else {
            throw WireError(.tooManyMessages(limit: counts.total), at: 0)
        }
        index.reserve(counts)
        try index.rebuildOutline(over: bytes, as: signal, messagesMax: counts.total)
    }
}

extension ExportOutcome {
    /// Of a lot in which a batch cannot be read, or not in the memory that there is.
    static func unreadable(_ error: WireError) -> ExportOutcome {
        if case .tooManyMessages = error.reason { return .needsMemory(because: "\(error)") }
        return .reject(because: "cannot be read: \(error)")
    }

    /// Of a lot that cannot be written as JSON, or not in the memory that there is.
    static func unwritable(_ error: WireError) -> ExportOutcome {
        if case .tooLarge = error.reason { return .needsMemory(because: "\(error)") }
        return .reject(because: "cannot be written as JSON: \(error)")
    }
}
