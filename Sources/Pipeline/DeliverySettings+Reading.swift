public import Configuration

extension DeliverySettings {
    /// Reads `sending_queue` and `retry_on_failure` from an exporter's settings.
    ///
    /// - Parameter standard: what holds for this exporter where a key is absent.
    public init(_ reader: inout MappingReader, standard: DeliverySettings = DeliverySettings()) {
        self = standard
        _ = reader.mapping("sending_queue") { queue in readQueue(&queue) }
        _ = reader.mapping("retry_on_failure") { policy in
            retry = RetrySettings(&policy, standard: standard.retry)
        }
    }

    private mutating func readQueue(_ reader: inout MappingReader) {
        if reader.bool("enabled") == false {
            reader.warning(
                at: "enabled",
                "is ignored: a request is answered when its data is queued, so the queue stays")
        }
        readConsumers(&reader)
        let ownSizer: Sizer? = reader.oneOf("sizer")
        sizer = ownSizer ?? sizer
        queueSize = reader.int("queue_size", in: 1...Int.max).map(Self.clamped) ?? queueSize
        queueBytesMax = reader.bytes("queue_bytes_max", in: 1...ByteSize.max) ?? queueBytesMax
        whenFull = reader.oneOf("when_full", default: whenFull)
        cursor = reader.string("cursor") ?? cursor
        start = reader.oneOf("start", default: start)
        reader.ignored(
            "block_on_overflow", "wait_for_result",
            because: "a full queue answers 503 with Retry-After, and the client sends again")
        reader.ignored(
            "storage", because: "every queue is in the log; see service.log.directory")
        // A batch of nothing but its key keeps its default sizer, as in the Collector.
        let inherited = reader.node("batch") == nil ? nil : ownSizer
        let batch = reader.mapping("batch", canBeDisabled: true) { batch in
            readBatch(&batch, queueSizer: inherited)
        }
        if let batch { lots = batch }
    }

    /// A count that means "no limit" stays so far from the end of `Int` that sums with it fit.
    private static func clamped(_ count: Int) -> Int { min(count, ByteSize.max) }

    private mutating func readConsumers(_ reader: inout MappingReader) {
        guard let count = reader.int("num_consumers", in: 1...Int.max) else { return }
        consumerCount = min(count, Self.consumerCountMax)
        if consumerCount < count {
            reader.warning(
                at: "num_consumers",
                "is taken for \(consumerCount), the most there are: each is a thread")
        }
    }

    /// `batch`: the Collector's defaults hold only where the key is there.
    ///
    /// - Parameter queueSizer: an explicit `sizer` of the queue, which is the batch's too, unless
    ///   that has its own.
    private func readBatch(
        _ reader: inout MappingReader, queueSizer: Sizer?
    ) -> LotLimits {
        var limits = LotLimits()
        let wait = reader.duration("flush_timeout", default: .milliseconds(200))
        let sizer = reader.oneOf("sizer", default: queueSizer ?? .items)
        let minimum = Self.clamped(reader.int("min_size", default: 8192, in: 0...Int.max))
        let maximum = Self.clamped(reader.int("max_size", default: 0, in: 0...Int.max))
        if maximum != 0, maximum < minimum {
            reader.error(at: "max_size", "is below min_size (\(minimum)); 0 means no maximum")
        }
        if sizer == .requests {
            reader.error(
                at: "sizer",
                "expected items or bytes: a batch is not sized in requests, as the queue is")
        } else if let queueSize, sizer == self.sizer, minimum > queueSize {
            reader.error(
                at: "min_size",
                "\(minimum) is more than the queue_size of \(queueSize), so that no batch is ever "
                    + "full")
        }
        _ = reader.mapping("partition") { partition in
            partition.checkMetadataKeys()
            if partition.isGiven("metadata_keys") {
                partition.warning(
                    at: "metadata_keys", "is ignored: batches are not split by request headers")
            }
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
    init(_ reader: inout MappingReader, standard: RetrySettings) {
        self = standard
        isEnabled = reader.bool("enabled", default: isEnabled)
        initialInterval = Self.interval("initial_interval", default: initialInterval, &reader)
        maxInterval = Self.interval("max_interval", default: maxInterval, &reader)
        maxElapsedTime = reader.duration("max_elapsed_time", default: maxElapsedTime)
        // Below 1 the pauses shrink, down to the floor that delivery has.
        multiplier = reader.double("multiplier", default: multiplier, in: 0...1000)
        randomizationFactor = reader.double(
            "randomization_factor", default: randomizationFactor, in: 0...1)
        if maxElapsedTime > .zero, maxElapsedTime < initialInterval {
            reader.warning(
                at: "max_elapsed_time",
                "is shorter than initial_interval: what fails once is never tried again")
        }
    }

    /// A pause between attempts, at least ``pauseFloor``.
    private static func interval(
        _ key: String, default standard: Duration, _ reader: inout MappingReader
    ) -> Duration {
        let wanted = reader.duration(key, default: standard)
        guard wanted < pauseFloor else { return wanted }
        reader.warning(
            at: key,
            "is raised to 100ms: a destination that is down is not asked without a pause")
        return pauseFloor
    }
}

extension MappingReader {
    /// Names of request headers, which count as the same in any case.
    public mutating func checkMetadataKeys() {
        var seen: Set<String> = []
        for name in strings("metadata_keys", default: [])
        where !seen.insert(name.lowercased()).inserted {
            error(at: "metadata_keys", "has '\(name)' twice: case does not matter in them")
        }
    }
}
