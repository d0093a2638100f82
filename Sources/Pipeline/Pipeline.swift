public import DurableLog
public import OTLP
public import Telemetry

/// One pipeline of the configuration: its processors in order, its log, and the exporters that
/// read from it.
public struct Pipeline: Sendable {
    public struct Step: Sendable {
        let processor: any Processor
        let metrics: ProcessorMetrics

        public init(_ processor: any Processor, _ metrics: ProcessorMetrics) {
            self.processor = processor
            self.metrics = metrics
        }
    }

    /// `signal[/name]`.
    public let id: String
    public let signal: Signal
    public let log: DurableLog
    let steps: [Step]
    let exporters: [Delivery]

    public init(
        id: String, signal: Signal, steps: [Step], log: DurableLog, exporters: [Delivery]
    ) {
        self.id = id
        self.signal = signal
        self.steps = steps
        self.log = log
        self.exporters = exporters
    }

    func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        for step in steps where batch.itemCount > 0 {
            step.metrics.incoming.add(batch.itemCount)
            try step.processor.process(&batch, context)
            step.metrics.outgoing.add(batch.itemCount)
        }
    }

    /// Takes room in the log, and in every exporter's queue, or says why there is none; then
    /// nothing has changed.
    public func reserve(_ record: LogRecord) throws(Refusal) {
        if let refusal = log.reserve(bytes: record.bytesOnDisk) {
            for exporter in exporters {
                exporter.metrics.enqueueFailed[signal].add(record.itemCount)
            }
            throw Refusal(retryAfter: Self.retryAfterFull, reason: "\(refusal); send again later")
        }
        let size = BatchSize(items: record.itemCount, bytes: record.payload.count)
        for (index, exporter) in exporters.enumerated() {
            guard exporter.queue.reserve(size, in: log) else {
                for exporter in exporters[..<index] { exporter.queue.release(size, in: log) }
                log.cancel(bytes: record.bytesOnDisk)
                exporter.metrics.enqueueFailed[signal].add(record.itemCount)
                throw Refusal(
                    retryAfter: Self.retryAfterFull,
                    reason: "the queue of exporter '\(exporter.id)' is full or just being removed; "
                        + "send again later")
            }
        }
    }

    /// A queue drains in steps of a lot; less than this would bring the client back for nothing.
    private static let retryAfterFull = Duration.seconds(1)

    /// Gives back what `reserve` has taken for a record.
    public func cancel(_ record: LogRecord) {
        let size = BatchSize(items: record.itemCount, bytes: record.payload.count)
        for exporter in exporters { exporter.queue.release(size, in: log) }
        log.cancel(bytes: record.bytesOnDisk)
    }

    /// Puts a record into the log for which there is room.
    ///
    /// - Parameter whenKept: is called once, on any thread: with true when the record is as safe
    ///   as the log makes it, with false when it could not be written.
    public func append(_ record: LogRecord, whenKept: @escaping @Sendable (Bool) -> Void) {
        let exporters = exporters
        let log = log
        let size = BatchSize(items: record.itemCount, bytes: record.payload.count)
        log.append(record) { isKept in
            for exporter in exporters { exporter.queue.release(size, in: log) }
            whenKept(isKept)
        }
    }
}
