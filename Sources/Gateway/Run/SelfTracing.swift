import DurableLog
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry

/// Brings the spans of Sluice's own from their recorder to the exporters that are to have them.
///
/// They go straight into a log of their own, through no receiver and with no trace context, so that
/// delivering them records nothing: the pipeline cannot feed itself.
final class SelfTracing: Sendable {
    static let interval = Duration.seconds(1)

    private let stopping = Monitor(false)
    private let thread: Thread
    private let pump: @Sendable () -> Void

    init(
        _ recorder: SpanRecorder, log: Logger, metrics: MetricRegistry,
        pipeline: @escaping @Sendable () -> Pipeline?
    ) throws(ComponentError) {
        let dropped = metrics.counter(
            "sluice_own_spans_refused",
            help: "Spans of Sluice itself that could not be put into their log.")
        let pump: @Sendable () -> Void = {
            while let batch = recorder.takeBatch() {
                Self.deliver(batch, to: pipeline(), dropped)
            }
        }
        self.pump = pump
        let stopping = stopping
        do throws(SystemError) {
            thread = try Thread(name: "self-tracing") {
                while stopping.wait(until: .now + Self.interval, { $0 ? true : nil }) == nil {
                    pump()
                }
            }
        } catch {
            throw ComponentError("cannot start the thread for spans of Sluice's own: \(error)")
        }
    }

    /// Hands over what was recorded until now.
    func stop() {
        stopping.withLock { $0 = true }
        stopping.notifyAll()
        thread.join()
        pump()
    }

    private static func deliver(
        _ batch: SpanRecorder.Batch, to pipeline: Pipeline?, _ refused: Counter
    ) {
        guard let pipeline else { return }
        let record = LogRecord(
            signal: Signal.traces.rawValue, itemCount: batch.spanCount,
            receivedAt: SystemClock().unixNanoseconds, payload: batch.request)
        do throws(Refusal) {
            try pipeline.reserve(record)
        } catch {
            pipeline.flow.refuse(batch.spanCount)
            return refused.add(batch.spanCount)
        }
        pipeline.append(record, .init(incoming: batch.spanCount)) { isKept in
            if !isKept { refused.add(batch.spanCount) }
        }
    }
}
