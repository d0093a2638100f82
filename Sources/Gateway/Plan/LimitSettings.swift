import Configuration

/// `service.limits`: what the process as a whole may take. The keys are ours.
struct LimitSettings: Sendable, Equatable {
    /// All request bodies in flight together, decompressed ones included, in bytes.
    var requestBodiesMax = 128 << 20
    /// How long SIGTERM may take to deliver what was acknowledged.
    var shutdownTimeout = Duration.seconds(25)
    /// Event loops; 0 is one for each processor.
    var loopCount = 0

    static let loopCountMax = 256

    init() {}

    init(_ reader: inout MappingReader) {
        requestBodiesMax = reader.bytes(
            "request_bodies", default: requestBodiesMax, in: (1 << 20)...Int.max)
        shutdownTimeout = reader.duration("shutdown_timeout", default: shutdownTimeout)
        loopCount = reader.int("event_loops", default: loopCount, in: 0...Self.loopCountMax)
    }
}
