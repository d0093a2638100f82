public import OTLP
public import Telemetry

/// One pipeline of the configuration: its processors in order, and the queues it feeds.
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
    let steps: [Step]
    let exporters: [Delivery]

    public init(id: String, signal: Signal, steps: [Step], exporters: [Delivery]) {
        self.id = id
        self.signal = signal
        self.steps = steps
        self.exporters = exporters
    }

    func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        for step in steps where batch.itemCount > 0 {
            step.metrics.incoming.add(batch.itemCount)
            try step.processor.process(&batch, context)
            step.metrics.outgoing.add(batch.itemCount)
        }
    }
}
