public import Platform

/// What the process uses: time since start, processor time, resident memory.
public enum ProcessMetrics {
    /// Uptime counts from this call.
    /// - Parameter resource: of this process, for `target_info`.
    public static func register(
        in registry: MetricRegistry, resource: TelemetryResource, clock: any Clock
    ) {
        let start = clock.now
        registry.observableCounter(
            "otelcol_process_uptime", help: "Uptime of the process in seconds.", unit: .seconds
        ).with().observe { (clock.now - start).seconds }
        registry.observableCounter(
            "otelcol_process_cpu_seconds", help: "Total CPU user and system time in seconds.",
            unit: .seconds
        ).with().observe { CurrentProcess.processorTime.seconds }
        registry.observableGauge(
            "otelcol_process_memory_rss", help: "Total physical memory (resident set size).",
            unit: .bytes
        ).with().observe { Double(CurrentProcess.residentBytes) }
        let labels = resource.labels
        registry.gauge(
            "target_info", help: "Target metadata.", labels: labels.map(\.name)
        ).with(labels.map(\.value)).set(1)
    }
}
