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
    /// - Throws: `Refusal` where a processor, a log or a queue has no room, or the processors would
    ///   make too much of the request. Nothing was taken then,
    ///   and `whenKept` is not called.
    public func take(
        _ batch: Batch, _ context: RequestContext, whenKept: @escaping @Sendable (Bool) -> Void
    ) throws(Refusal) {
        let entries: [Entry]
        do throws(Refusal) {
            entries = try process(batch, context)
            try reserve(entries)
        } catch {
            for pipeline in pipelines { pipeline.flow.refuse(batch.itemCount) }
            throw error
        }
        append(entries, whenKept)
    }

    /// About how many bytes the processors of all pipelines would add to a batch.
    public func growth(of batch: Batch, _ context: RequestContext) -> Int {
        pipelines.reduce(0) { $0 + $1.growth(of: batch, context) }
    }

    private struct Entry {
        var pipeline: Pipeline
        var passage: PipelineFlow.Passage
        /// Nil where the processors have left nothing.
        var record: LogRecord?
    }

    private func process(
        _ batch: Batch, _ context: RequestContext
    ) throws(Refusal) -> [Entry] {
        var entries: [Entry] = []
        entries.reserveCapacity(pipelines.count)
        let attachment = context.trace?.attachment ?? []
        for pipeline in pipelines {
            var copy = batch.forked()
            let passage = try pipeline.process(&copy, context)
            let record =
                copy.itemCount == 0
                ? nil
                : LogRecord(
                    signal: signal.rawValue, itemCount: copy.itemCount,
                    receivedAt: clock.unixNanoseconds, attachment: attachment,
                    payload: copy.payload)
            copy.dropIndex()
            entries.append(Entry(pipeline: pipeline, passage: passage, record: record))
        }
        return entries
    }

    private func reserve(_ entries: [Entry]) throws(Refusal) {
        for (index, entry) in entries.enumerated() {
            guard let record = entry.record else { continue }
            do throws(Refusal) {
                try entry.pipeline.reserve(record)
            } catch {
                for entry in entries[..<index] {
                    if let record = entry.record { entry.pipeline.cancel(record) }
                }
                throw error
            }
        }
    }

    private func append(_ entries: [Entry], _ whenKept: @escaping @Sendable (Bool) -> Void) {
        let count = entries.count { $0.record != nil }
        // With one log its acknowledgement is the request's.
        let acknowledge = count <= 1 ? whenKept : Countdown(count, then: whenKept).countDown
        for entry in entries {
            guard let record = entry.record else {
                entry.pipeline.flow.accept(entry.passage)
                continue
            }
            entry.pipeline.append(record, entry.passage, whenKept: acknowledge)
        }
        if count == 0 { whenKept(true) }
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
