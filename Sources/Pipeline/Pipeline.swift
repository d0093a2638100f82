public import DurableLog
public import OTLP
public import Telemetry

/// One pipeline of the configuration: its processors in order, its log, and the exporters that
/// read from it.
public struct Pipeline: Sendable {
    public struct Step: Sendable {
        let id: String
        let processor: any Processor
        let metrics: ProcessorMetrics

        public init(id: String, _ processor: any Processor, _ metrics: ProcessorMetrics) {
            self.id = id
            self.processor = processor
            self.metrics = metrics
        }
    }

    /// `signal[/name]`.
    public let id: String
    public let signal: Signal
    public let log: DurableLog
    public let flow: PipelineFlow
    let steps: [Step]
    let growth: EditGrowth
    let exporters: [Delivery]

    public init(
        id: String, signal: Signal, steps: [Step], log: DurableLog, exporters: [Delivery],
        flow: PipelineFlow = PipelineFlow(), growth: EditGrowth = EditGrowth()
    ) {
        self.id = id
        self.signal = signal
        self.steps = steps
        self.log = log
        self.exporters = exporters
        self.flow = flow
        self.growth = growth
    }

    func process(
        _ batch: inout Batch, _ context: RequestContext
    ) throws(Refusal) -> PipelineFlow.Passage {
        var passage = PipelineFlow.Passage(incoming: batch.itemCount)
        batch.limit(growth)
        for step in steps where batch.itemCount > 0 {
            let before = batch.itemCount
            step.metrics.incoming.add(before)
            do throws(Refusal) {
                try step.processor.process(&batch, context)
            } catch {
                if error.kind == .tooLarge { step.metrics.tooLarge.add(before) }
                throw error
            }
            step.metrics.outgoing.add(batch.itemCount)
            guard batch.itemCount != before else { continue }
            let removal = PipelineFlow.Removal(
                processor: step.id, isSampling: step.processor.isSampling)
            passage.removed.append((removal, before - batch.itemCount))
        }
        return passage
    }

    /// About how many bytes the processors would add.
    func growth(of batch: Batch, _ context: RequestContext) -> Int {
        steps.reduce(0) { $0 + $1.processor.growth(of: batch, context) }
    }

    /// Takes room in the log, and in every exporter's queue, or says why there is none; then
    /// nothing has changed.
    public func reserve(_ record: LogRecord) throws(Refusal) {
        if let refusal = log.reserve(bytes: record.bytesOnDisk) {
            for exporter in exporters {
                exporter.metrics.enqueueFailed[signal].add(record.itemCount)
            }
            if case .tooLarge = refusal { throw .tooLarge("\(refusal)") }
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
    /// - Parameters:
    ///   - passage: how its items came here.
    ///   - whenKept: is called once, on any thread: with true when the record is as safe as the log
    ///     makes it, with false when it could not be written.
    public func append(
        _ record: LogRecord, _ passage: PipelineFlow.Passage,
        whenKept: @escaping @Sendable (Bool) -> Void
    ) {
        let exporters = exporters
        let flow = flow
        let log = log
        let size = BatchSize(items: record.itemCount, bytes: record.payload.count)
        flow.beginAppending(record.itemCount)
        log.append(record) { isKept in
            for exporter in exporters { exporter.queue.release(size, in: log) }
            flow.endAppending(record.itemCount, of: passage, isKept: isKept)
            whenKept(isKept)
        }
    }
}
