/// `google.rpc.Status`: the body of every 4xx and 5xx that OTLP/HTTP answers with.
public struct RPCStatus: Equatable, Sendable {
    /// The codes of `google.rpc.Code` that a gateway has use for.
    @frozen
    public enum Code: Int32, Sendable {
        case cancelled = 1
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case aborted = 10
        case outOfRange = 11
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
        case dataLoss = 15
        case unauthenticated = 16
    }

    /// One `google.rpc.BadRequest.FieldViolation`.
    public struct FieldViolation: Equatable, Sendable {
        /// The path of the value at fault, such as
        /// `resourceSpans[0].scopeSpans[1].spans[3].traceId`.
        public let field: String
        /// What is wrong with it.
        public let description: String

        public init(field: String, description: String) {
            self.field = field.prefix(bytesMax: clientMessageBytesMax)
            self.description = description.prefix(bytesMax: clientMessageBytesMax)
        }
    }

    /// At most this many violations are listed.
    public static let violationsMax = 32

    public var code: Code
    /// For the developer, in English: what is wrong and what to do. Cut at 8 KiB.
    public var message: String
    /// Become a `google.rpc.BadRequest` in `details`, when there are any.
    public var violations: [FieldViolation]
    /// Becomes a `google.rpc.RetryInfo` in `details`: when to send the same request again.
    public var retryDelay: Duration?

    public init(
        _ code: Code, _ message: String, violations: [FieldViolation] = [],
        retryDelay: Duration? = nil
    ) {
        self.code = code
        self.message = message.prefix(bytesMax: clientMessageBytesMax)
        self.violations = Array(violations.prefix(RPCStatus.violationsMax))
        self.retryDelay = retryDelay
    }

    /// The body.
    public func encoded(_ encoding: BodyEncoding) -> [UInt8] {
        switch encoding {
        case .protobuf: protobuf
        case .json: json
        }
    }

    private static let badRequest = "type.googleapis.com/google.rpc.BadRequest"
    private static let retryInfo = "type.googleapis.com/google.rpc.RetryInfo"

    /// message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    /// message Any { string type_url = 1; bytes value = 2; }
    private var protobuf: [UInt8] {
        var writer = ProtobufWriter()
        writer.int(1, Int64(code.rawValue))
        if !message.isEmpty { writer.string(2, message) }
        if !violations.isEmpty {
            writer.message(3) { any in
                any.string(1, RPCStatus.badRequest)
                any.message(2) { badRequest in writeViolations(&badRequest) }
            }
        }
        if let retryDelay {
            writer.message(3) { any in
                any.string(1, RPCStatus.retryInfo)
                any.message(2) { info in RPCStatus.write(retryDelay, &info) }
            }
        }
        return writer.bytes
    }

    /// message BadRequest { repeated FieldViolation field_violations = 1; }
    /// message FieldViolation { string field = 1; string description = 2; }
    private func writeViolations(_ badRequest: inout ProtobufWriter) {
        for violation in violations {
            badRequest.message(1) { message in
                if !violation.field.isEmpty { message.string(1, violation.field) }
                if !violation.description.isEmpty { message.string(2, violation.description) }
            }
        }
    }

    /// message RetryInfo { Duration retry_delay = 1; }
    /// message Duration { int64 seconds = 1; int32 nanos = 2; }
    private static func write(_ delay: Duration, _ info: inout ProtobufWriter) {
        let (seconds, nanoseconds) = parts(delay)
        info.message(1) { duration in
            if seconds > 0 { duration.int(1, seconds) }
            if nanoseconds > 0 { duration.int(2, nanoseconds) }
        }
    }

    /// An `Any` is written as its message, with the type beside its fields (proto3 JSON mapping).
    private var json: [UInt8] {
        var text = "{\"code\":\(code.rawValue)"
        if !message.isEmpty { text += ",\"message\":\(OTLPJSON.quoted(message))" }
        var details: [String] = []
        if !violations.isEmpty {
            let list = violations.map { violation in
                "{\"field\":\(OTLPJSON.quoted(violation.field)),"
                    + "\"description\":\(OTLPJSON.quoted(violation.description))}"
            }
            details.append(
                "{\"@type\":\"\(RPCStatus.badRequest)\","
                    + "\"fieldViolations\":[\(list.joined(separator: ","))]}")
        }
        if let retryDelay {
            details.append(
                "{\"@type\":\"\(RPCStatus.retryInfo)\","
                    + "\"retryDelay\":\"\(RPCStatus.text(retryDelay))\"}")
        }
        if !details.isEmpty { text += ",\"details\":[\(details.joined(separator: ","))]" }
        return Array((text + "}").utf8)
    }

    /// Seconds with 0, 3, 6 or 9 digits of fraction, and an `s`.
    private static func text(_ delay: Duration) -> String {
        let (seconds, nanoseconds) = parts(delay)
        guard nanoseconds > 0 else { return "\(seconds)s" }
        var digits = String(nanoseconds)
        digits = String(repeating: "0", count: 9 - digits.count) + digits
        while digits.hasSuffix("000") { digits.removeLast(3) }
        return "\(seconds).\(digits)s"
    }

    /// Whole seconds and nanoseconds; a delay that is over is none.
    private static func parts(_ delay: Duration) -> (seconds: Int64, nanoseconds: Int64) {
        let (seconds, attoseconds) = max(delay, .zero).components
        return (seconds, attoseconds / 1_000_000_000)
    }
}
