public import Configuration

extension DeliverySettings {
    /// Reads `sending_queue` and `retry_on_failure` from an exporter's settings.
    ///
    /// - Parameter standard: what holds for this exporter where a key is absent.
    public init(_ reader: inout MappingReader, standard: DeliverySettings = DeliverySettings()) {
        self = standard
        _ = reader.mapping("sending_queue") { queue in readQueue(&queue) }
        _ = reader.mapping("retry_on_failure") { policy in retry = RetrySettings(&policy) }
    }

    private mutating func readQueue(_ reader: inout MappingReader) {
        if reader.bool("enabled") == false {
            reader.warning(
                at: "enabled",
                "is ignored: a request is answered when its data is queued, so the queue stays")
        }
        consumerCount = reader.int(
            "num_consumers", default: consumerCount, in: 1...Self.consumerCountMax)
        sizer = reader.oneOf("sizer", default: sizer)
        queueSize = reader.int("queue_size", in: 1...Int.max) ?? queueSize
        queueBytesMax = reader.bytes("queue_bytes_max", in: 1...Int.max) ?? queueBytesMax
        whenFull = reader.oneOf("when_full", default: whenFull)
        cursor = reader.string("cursor") ?? cursor
        start = reader.oneOf("start", default: start)
        reader.ignored(
            "block_on_overflow", "wait_for_result",
            because: "a full queue answers 503 with Retry-After, and the client sends again")
        reader.ignored(
            "storage", because: "every queue is in the log; see service.log.directory")
        if let batch = reader.mapping("batch", read: Self.readBatch) { lots = batch }
    }

    /// `batch`: the Collector's defaults hold only where the key is there.
    private static func readBatch(_ reader: inout MappingReader) -> LotLimits {
        var limits = LotLimits()
        let wait = reader.duration("flush_timeout", default: .milliseconds(200))
        let sizer = reader.oneOf("sizer", default: Sizer.items)
        let minimum = reader.int("min_size", default: 8192, in: 0...Int.max)
        let maximum = reader.int("max_size", default: 0, in: 0...Int.max)
        if maximum != 0, maximum < minimum {
            reader.error(at: "max_size", "is below min_size (\(minimum)); 0 means no maximum")
        }
        if sizer == .requests {
            reader.error(at: "sizer", "expected items or bytes: a batch is not sized in requests")
        }
        limits.waitMax = wait
        switch sizer {
        case .items, .requests:
            limits.itemsMin = minimum
            if maximum > 0 { limits.itemsMax = maximum }
        case .bytes:
            limits.bytesMin = minimum
            if maximum > 0 { limits.bytesMax = maximum }
        }
        return limits
    }
}

extension RetrySettings {
    init(_ reader: inout MappingReader) {
        self.init()
        isEnabled = reader.bool("enabled", default: isEnabled)
        initialInterval = reader.duration("initial_interval", default: initialInterval)
        maxInterval = reader.duration("max_interval", default: maxInterval)
        maxElapsedTime = reader.duration("max_elapsed_time", default: maxElapsedTime)
        multiplier = reader.double("multiplier", default: multiplier, in: 1...1000)
        randomizationFactor = reader.double(
            "randomization_factor", default: randomizationFactor, in: 0...1)
    }
}
