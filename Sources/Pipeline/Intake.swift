import DurableLog
public import OTLP
public import Platform
import Synchronization
import Telemetry

/// Where a receiver hands over the batches of one signal: all pipelines that name the receiver.
///
/// A batch is taken by every log that it is meant for, or by none.
public struct Intake: Sendable {
    public let signal: Signal
    private let pipelines: [Pipeline]
    private let clock: any Clock

    public init(signal: Signal, pipelines: [Pipeline], clock: any Clock) {
        self.signal = signal
        self.pipelines = pipelines
        self.clock = clock
    }

    /// Processes a batch and puts it into the logs.
    ///
    /// - Parameter whenKept: called once, on this thread or another: with true when every log holds
    ///   the batch as safely as it is going to, and the acknowledgement may go out; with false when
    ///   one could not write it, and the client has to send it again.
    /// - Throws: `Refusal` where a processor, a log or a queue has no room. Nothing was taken then,
    ///   and `whenKept` is not called.
    public func take(
        _ batch: Batch, _ context: RequestContext, whenKept: @escaping @Sendable (Bool) -> Void
    ) throws(Refusal) {
        var records: [(pipeline: Pipeline, record: LogRecord)] = []
        records.reserveCapacity(pipelines.count)
        let attachment = context.trace?.attachment ?? []
        for pipeline in pipelines {
            var copy = batch
            try pipeline.process(&copy, context)
            guard copy.itemCount > 0 else { continue }
            records.append(
                (
                    pipeline,
                    LogRecord(
                        signal: signal.rawValue, itemCount: copy.itemCount,
                        receivedAt: clock.unixNanoseconds, attachment: attachment,
                        payload: copy.payload)
                ))
        }
        try reserve(records)
        append(records, whenKept)
    }

    private func reserve(_ records: [(pipeline: Pipeline, record: LogRecord)]) throws(Refusal) {
        for (index, (pipeline, record)) in records.enumerated() {
            do throws(Refusal) {
                try pipeline.reserve(record)
            } catch {
                for (pipeline, record) in records[..<index] { pipeline.cancel(record) }
                throw error
            }
        }
    }

    private func append(
        _ records: [(pipeline: Pipeline, record: LogRecord)],
        _ whenKept: @escaping @Sendable (Bool) -> Void
    ) {
        guard !records.isEmpty else { return whenKept(true) }
        // With one log its acknowledgement is the request's.
        let acknowledge =
            records.count == 1 ? whenKept : Countdown(records.count, then: whenKept).countDown
        for (pipeline, record) in records { pipeline.append(record, whenKept: acknowledge) }
    }
}

/// Calls its body when it was counted down to zero, with whether every count was a success.
private final class Countdown: Sendable {
    private let remaining: Atomic<Int>
    private let hasFailed = Atomic<Bool>(false)
    private let body: @Sendable (Bool) -> Void

    init(_ count: Int, then body: @escaping @Sendable (Bool) -> Void) {
        remaining = Atomic(count)
        self.body = body
    }

    @Sendable func countDown(_ isSuccess: Bool) {
        if !isSuccess { hasFailed.store(true, ordering: .releasing) }
        if remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            body(!hasFailed.load(ordering: .acquiring))
        }
    }
}
