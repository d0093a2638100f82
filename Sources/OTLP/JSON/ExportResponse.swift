/// What a server answers to an export that it took: `Export…ServiceResponse`, the same for all
/// signals but for a field's JSON name.
public struct ExportResponse: Equatable, Sendable {
    /// How many spans, data points or log records were refused.
    public var rejectedCount: Int
    /// Why, and what to do; with nothing rejected, a warning. Cut at 8 KiB.
    public var errorMessage: String

    /// A full success: the response is empty, its `partial_success` unset, as OTLP demands.
    public static let success = ExportResponse(rejectedCount: 0, errorMessage: "")

    public init(rejectedCount: Int, errorMessage: String) {
        precondition(rejectedCount >= 0, "BUG: a negative number of items was rejected")
        self.rejectedCount = rejectedCount
        self.errorMessage = errorMessage.prefix(bytesMax: clientMessageBytesMax)
    }

    /// The response's body.
    public func encoded(_ encoding: BodyEncoding, signal: Signal) -> [UInt8] {
        switch encoding {
        case .protobuf: protobuf
        case .json: json(signal)
        }
    }

    /// message Export…ServiceResponse { Export…PartialSuccess partial_success = 1; }
    /// message Export…PartialSuccess { int64 rejected_… = 1; string error_message = 2; }
    private var protobuf: [UInt8] {
        guard self != .success else { return [] }
        var writer = ProtobufWriter()
        writer.message(1) { partial in
            if rejectedCount > 0 { partial.int(1, Int64(rejectedCount)) }
            if !errorMessage.isEmpty { partial.string(2, errorMessage) }
        }
        return writer.bytes
    }

    private func json(_ signal: Signal) -> [UInt8] {
        guard self != .success else { return Array("{}".utf8) }
        let name =
            switch signal {
            case .traces: "rejectedSpans"
            case .metrics: "rejectedDataPoints"
            case .logs: "rejectedLogRecords"
            }
        var members: [String] = []
        if rejectedCount > 0 { members.append("\"\(name)\":\"\(rejectedCount)\"") }
        if !errorMessage.isEmpty {
            members.append("\"errorMessage\":\(OTLPJSON.quoted(errorMessage))")
        }
        return Array("{\"partialSuccess\":{\(members.joined(separator: ","))}}".utf8)
    }
}
