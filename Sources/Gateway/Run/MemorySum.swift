import DurableLog
import OTLP
import Pipeline
import Platform
import Receivers
import Telemetry

/// Every ceiling on memory, and their sum: what the process may come to have, whatever it is sent.
struct MemorySum {
    /// The program, its threads' stacks, what it has of every connection and metric.
    private static let processBytes = 24 << 20
    /// What a loop decodes and indexes in: it leaves more than a megabyte to workers.
    private static let loopBytes = 6 << 20
    /// The same for a worker, with the window of a Zstandard frame.
    private static let workerBytes = 14 << 20
    /// What an exporter keeps between lots: rows, compressors, a database's pages.
    private static let exporterBytes = 8 << 20
    /// The heap has gaps: of what is in use, a share.
    private static let heapShare = 16

    private(set) var parts: [(name: StaticString, bytes: Int)] = []

    init(_ plan: GatewayPlan, loopCount: Int) {
        let log = plan.log.log
        let isInMemory = log.durability == .memory
        add("request_bodies", plan.limits.requestBodiesMax)
        add("connections", plan.limits.connectionMemoryMax)
        add("threads", loopCount * (Self.loopBytes + Self.workerBytes))
        // Sluice's own spans have a log only where somebody exports them.
        let ownLogs = plan.telemetry.spanExporters.isEmpty ? 0 : 1
        if isInMemory {
            for exporter in plan.exporters {
                add("queues", exporter.delivery.inMemory().queueBytesMax ?? 0)
            }
        } else {
            let logs = plan.pipelines.count + ownLogs
            let each = log.cacheBytesMax.addingClamped(log.bufferBytesMax)
            add("logs", logs.multipliedClamped(by: each))
            let readers = plan.pipelines.reduce(0) { $0 + $1.exporters.count }
            add("queues", readers * ExportQueue.windowBytesMax)
        }
        add("delivery", DeliveryMemory.bytesMax)
        add("exporters", plan.exporters.count * (Self.exporterBytes + DeliveryMemory.usualBytesMax))
        add("process", Self.processBytes)
        add("heap", sum / Self.heapShare)
    }

    var sum: Int { parts.reduce(0) { $0.addingClamped($1.bytes) } }

    private mutating func add(_ name: StaticString, _ bytes: Int) {
        if let index = parts.firstIndex(where: { $0.name.description == name.description }) {
            parts[index].bytes = parts[index].bytes.addingClamped(bytes)
        } else {
            parts.append((name, bytes))
        }
    }

    /// Says the parts and the sum, and warns where a limit on the process is lower.
    ///
    /// - Parameter limitBytes: of the control group; nil where there is none.
    func announce(_ log: Logger, limitBytes: Int?) {
        if let limitBytes, sum > limitBytes {
            log.warn(
                "the memory ceilings add up to more than the control group allows",
                LogField("sum_bytes", sum), LogField("limit_bytes", limitBytes),
                LogField(
                    "either",
                    "raise its limit, or lower service.limits.request_bodies, connection_memory "
                        + "or service.log.cache_size"))
        }
        let fields = parts.map { LogField($0.name, $0.bytes >> 20) }
        log.log(.info, "memory ceilings, in MiB", fields + [LogField("sum", sum >> 20)])
    }
}

extension Int {
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? .max : sum
    }

    fileprivate func multipliedClamped(by other: Int) -> Int {
        let (product, isOver) = multipliedReportingOverflow(by: other)
        return isOver ? .max : product
    }
}

extension ByteBudget {
    /// Shows what is in use, and the limit.
    func register(in registry: MetricRegistry) {
        registry.observeBudget(name, limit: limit) { [self] in used }
    }
}

extension DeliveryMemory {
    func register(in registry: MetricRegistry) {
        registry.observeBudget("delivery", limit: limit) { [self] in usedBytes }
        registry.observableCounter(
            "sluice_delivery_memory_waits",
            help: "Lots that waited for the memory that exporters share."
        ).with().observe { [self] in Double(waitCount) }
    }
}

extension MetricRegistry {
    fileprivate func observeBudget(
        _ name: String, limit: Int, used: @escaping @Sendable () -> Int
    ) {
        observableGauge(
            "sluice_memory_budget_used", help: "Memory in use of a budget.", unit: .bytes,
            labels: ["budget"]
        ).with(name).observe { Double(used()) }
        observableGauge(
            "sluice_memory_budget_limit", help: "The most that a budget gives.", unit: .bytes,
            labels: ["budget"]
        ).with(name).observe { Double(limit) }
    }
}
