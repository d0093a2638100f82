public import OTLP

// The Collector's names and labels (its `receiverhelper`, `processorhelper`, `exporterhelper`), so
// that dashboards and alerts made for it work.

/// What one receiver counts.
public struct ReceiverMetrics: Sendable {
    /// Items that were taken over: the client has its acknowledgement.
    public let accepted: SignalCounters
    /// Items turned away because a pipeline could not take them: the client may try again.
    public let refused: SignalCounters
    /// Items turned away because something of ours failed.
    public let failed: SignalCounters

    /// - Parameter transport: `http`, `grpc`.
    public init(_ registry: MetricRegistry, receiver: String, transport: String) {
        let labels: KeyValuePairs = ["receiver": receiver, "transport": transport]
        accepted = SignalCounters(
            registry, prefix: "otelcol_receiver_accepted_",
            help: "Number of % successfully pushed into the pipeline.", labels: labels)
        refused = SignalCounters(
            registry, prefix: "otelcol_receiver_refused_",
            help: "Number of % that could not be pushed into the pipeline.", labels: labels)
        failed = SignalCounters(
            registry, prefix: "otelcol_receiver_failed_",
            help: "Number of % that failed to be processed by an internal error.", labels: labels)
    }
}

/// What one processor counts, in one pipeline.
public struct ProcessorMetrics: Sendable {
    public let incoming: Counter
    public let outgoing: Counter
    /// Items of requests that the processor would have made too large.
    public let tooLarge: Counter

    public init(_ registry: MetricRegistry, processor: String, signal: Signal) {
        let values = [processor, signal.name]
        incoming = registry.counter(
            "otelcol_processor_incoming_items", help: "Number of items passed to the processor.",
            labels: ["processor", "otel_signal"]
        ).with(values)
        outgoing = registry.counter(
            "otelcol_processor_outgoing_items",
            help: "Number of items emitted from the processor.",
            labels: ["processor", "otel_signal"]
        ).with(values)
        tooLarge = registry.counter(
            "sluice_processor_too_large_items",
            help: "Items of requests that the processor would have grown past "
                + "service.limits.edit_growth: refused with 413.",
            labels: ["processor", "signal"]
        ).with(values)
    }
}

/// What one exporter counts.
public struct ExporterMetrics: Sendable {
    /// Items that the destination has acknowledged.
    public let sent: SignalCounters
    /// Items that the destination will never have: rejected, or given up.
    public let sendFailed: SignalCounters
    /// Items that found no room in the queue.
    public let enqueueFailed: SignalCounters
    private let registry: MetricRegistry
    private let exporter: String

    public init(_ registry: MetricRegistry, exporter: String) {
        let labels: KeyValuePairs = ["exporter": exporter]
        sent = SignalCounters(
            registry, prefix: "otelcol_exporter_sent_",
            help: "Number of % successfully sent to destination.", labels: labels)
        sendFailed = SignalCounters(
            registry, prefix: "otelcol_exporter_send_failed_",
            help: "Number of % in failed attempts to send to destination.", labels: labels)
        enqueueFailed = SignalCounters(
            registry, prefix: "otelcol_exporter_enqueue_failed_",
            help: "Number of % failed to be added to the sending queue.", labels: labels)
        self.registry = registry
        self.exporter = exporter
    }

    /// Shows the queue of one signal; both values in the unit of the queue's `sizer`, an infinite
    /// capacity where the log's limit is the only one.
    public func observeQueue(
        _ signal: Signal, size: @escaping @Sendable () -> Int,
        capacity: @escaping @Sendable () -> Double
    ) {
        let labels = ["data_type", "exporter"]
        registry.observableGauge(
            "otelcol_exporter_queue_size", help: "Current size of the sending queue.",
            labels: labels
        ).with(signal.name, exporter).observe { Double(size()) }
        registry.observableGauge(
            "otelcol_exporter_queue_capacity", help: "Fixed capacity of the sending queue.",
            labels: labels
        ).with(signal.name, exporter).observe { capacity() }
    }
}
