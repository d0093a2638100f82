import Configuration
import HTTPServer
import Pipeline

/// `service.limits`: what the process as a whole may take. The keys are ours.
struct LimitSettings: Sendable, Equatable {
    /// All requests in flight together, in bytes: their bodies, what those are decompressed and
    /// transcoded to, the index over them, copies that repairs and edits make.
    var requestBodiesMax = 192 << 20
    /// Resources, scopes, metrics, what describes them, and items of one request.
    var requestMessagesMax = 500_000
    /// What processors may add to one request.
    var editGrowth = EditGrowth()
    /// What connections hold besides bodies: large heads, answers that nobody takes, in bytes.
    var connectionMemoryMax = ServerLimits.connectionMemoryMax
    /// Connections of all receivers together.
    var connectionsMax = ServerLimits.connectionsMax
    /// Bytes a second that a body has to bring.
    var bodyRateMin = 1 << 10
    /// How long a body may take in any case.
    var bodyTimeout = Duration.seconds(600)
    /// How long SIGTERM may take to deliver what was acknowledged.
    var shutdownTimeout = Duration.seconds(25)
    /// Event loops; 0 is one for each processor.
    var loopCount = 0

    static let loopCountMax = 256
    static let editGrowthMax = 512 << 20
    static let connectionsCeiling = 1 << 20

    init() {}

    init(_ reader: inout MappingReader) {
        requestBodiesMax = reader.bytes(
            "request_bodies", default: requestBodiesMax, in: (1 << 20)...ByteSize.max)
        requestMessagesMax = reader.int(
            "request_messages", default: requestMessagesMax, in: 1000...(1 << 28))
        editGrowth.bytes = reader.bytes(
            "edit_growth", default: editGrowth.bytes, in: 0...Self.editGrowthMax)
        connectionMemoryMax = reader.bytes(
            "connection_memory", default: connectionMemoryMax, in: (1 << 20)...Int.max)
        connectionsMax = reader.int(
            "connections", default: connectionsMax, in: 1...Self.connectionsCeiling)
        bodyRateMin = reader.bytes("body_rate_min", default: bodyRateMin, in: 0...(1 << 30))
        bodyTimeout = reader.duration("body_timeout", default: bodyTimeout)
        shutdownTimeout = reader.duration("shutdown_timeout", default: shutdownTimeout)
        loopCount = reader.int("event_loops", default: loopCount, in: 0...Self.loopCountMax)
    }
}
