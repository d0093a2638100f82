public import OTLP
public import Platform
import Synchronization
import Telemetry

/// Where a receiver hands over the batches of one signal: all pipelines that name the receiver.
///
/// A batch is taken by every queue that it is meant for, or by none.
public struct Intake: Sendable {
    public let signal: Signal
    private let pipelines: [Pipeline]
    private let clock: any Clock

    public init(signal: Signal, pipelines: [Pipeline], clock: any Clock) {
        self.signal = signal
        self.pipelines = pipelines
        self.clock = clock
    }

    /// Processes a batch and queues it.
    ///
    /// - Parameter whenKept: called once, on this thread or another, when every queue holds the
    ///   batch as safely as it is going to: the acknowledgement may go out.
    /// - Throws: `Refusal` where a processor or a queue has no room. Nothing was taken then, and
    ///   `whenKept` is not called.
    public func take(
        _ batch: Batch, _ context: RequestContext, whenKept: @escaping @Sendable () -> Void
    ) throws(Refusal) {
        var processed: [(pipeline: Pipeline, batch: Batch)] = []
        processed.reserveCapacity(pipelines.count)
        for pipeline in pipelines {
            var copy = batch
            try pipeline.process(&copy, context)
            if copy.itemCount > 0 { processed.append((pipeline, copy)) }
        }
        try reserve(processed)
        append(processed, context, whenKept)
    }

    private func reserve(_ processed: [(pipeline: Pipeline, batch: Batch)]) throws(Refusal) {
        var reserved: [(queue: any ExportQueue, size: BatchSize)] = []
        for (pipeline, batch) in processed {
            let size = BatchSize(items: batch.itemCount, bytes: batch.payload.count)
            for exporter in pipeline.exporters {
                guard exporter.queue.reserve(size) else {
                    for (queue, size) in reserved { queue.cancel(size) }
                    exporter.metrics.enqueueFailed[signal].add(batch.itemCount)
                    throw Refusal(
                        retryAfter: Self.retryAfterFullQueue,
                        reason: "the queue of exporter '\(exporter.id)' is full; send again later")
                }
                reserved.append((exporter.queue, size))
            }
        }
    }

    /// A queue drains in steps of a lot; less than this would bring the client back for nothing.
    private static let retryAfterFullQueue = Duration.seconds(1)

    private func append(
        _ processed: [(pipeline: Pipeline, batch: Batch)], _ context: RequestContext,
        _ whenKept: @escaping @Sendable () -> Void
    ) {
        let count = processed.reduce(0) { $0 + $1.pipeline.exporters.count }
        guard count > 0 else { return whenKept() }
        // With one queue its acknowledgement is the request's.
        let acknowledge = count == 1 ? whenKept : Countdown(count, then: whenKept).countDown
        for (pipeline, batch) in processed {
            let queued = QueuedBatch(
                signal: signal, payload: batch.payload, itemCount: batch.itemCount,
                enqueuedAt: clock.now, trace: context.trace)
            for exporter in pipeline.exporters {
                exporter.queue.append(queued, whenKept: acknowledge)
            }
        }
    }
}

/// Calls its body when it was counted down to zero.
private final class Countdown: Sendable {
    private let remaining: Atomic<Int>
    private let body: @Sendable () -> Void

    init(_ count: Int, then body: @escaping @Sendable () -> Void) {
        remaining = Atomic(count)
        self.body = body
    }

    @Sendable func countDown() {
        if remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { body() }
    }
}
