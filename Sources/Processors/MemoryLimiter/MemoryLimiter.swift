public import Configuration
import OTLP
public import Pipeline
import Platform
import Synchronization
import Telemetry

/// `memory_limiter`: refuses data while the whole process has too much memory resident, so that
/// clients wait instead of the kernel ending the process.
///
/// What is resident is read on the way of a request, by one thread and once per `check_interval`;
/// in between a request costs two atomic loads. Before it refuses, and while it does, it gives the
/// heap's free pages back: data is accepted again when what is in use has fallen.
public final class MemoryLimiter: Processor {
    /// How the process is asked, so that tests can say.
    struct Probe: Sendable {
        var residentBytes: @Sendable () -> Int
        /// Gives free heap pages back to the kernel.
        var trimHeap: @Sendable () -> Void

        static let process = Probe(
            residentBytes: { CurrentProcess.residentBytes },
            trimHeap: { CurrentProcess.trimHeap() })
    }

    /// Refusing ends this far below where it started, so that it does not flicker.
    private static let resumePercentage = 95
    /// Trimming walks the whole heap: some milliseconds.
    private static let trimInterval = Duration.seconds(10)

    let softLimitBytes: Int
    private let resumeBytes: Int
    private let hardLimitBytes: Int
    private let checkInterval: Duration
    private let probe: Probe
    private let clock: any Clock
    private let log: Logger
    private let refused: MetricFamily<Counter>
    private let id: String

    private let isRefusing = Atomic<Bool>(false)
    /// On the monotonic clock, in nanoseconds: who moves it on, reads.
    private let nextCheck = Atomic<UInt64>(0)
    private let nextTrim = Atomic<UInt64>(0)

    init(
        _ settings: MemoryLimiterSettings, _ environment: ComponentEnvironment,
        totalBytes: Int, probe: Probe
    ) {
        hardLimitBytes = settings.limit.bytes(ofTotal: totalBytes)
        softLimitBytes = max(0, hardLimitBytes - settings.spike.bytes(ofTotal: totalBytes))
        resumeBytes = softLimitBytes / 100 * Self.resumePercentage
        checkInterval = settings.checkInterval
        self.probe = probe
        clock = environment.clock
        log = environment.log
        id = environment.id
        refused = environment.metrics.counter(
            "otelcol_processor_refused_items",
            help: "Items that a processor refused, for their client to send again.",
            labels: ["processor", "otel_signal"])
        let limits = environment.metrics.gauge(
            "sluice_processor_memory_limit", help: "Memory at which data is refused.",
            unit: .bytes, labels: ["processor"])
        limits.with(environment.id).set(softLimitBytes)
        log.info(
            "memory limiter", LogField("refuses_above_bytes", softLimitBytes),
            LogField("limit_bytes", hardLimitBytes))
    }

    public func process(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) {
        checkWhenDue()
        guard isRefusing.load(ordering: .relaxed) else { return }
        refused.with(id, batch.signal.name).add(batch.itemCount)
        throw Refusal(
            retryAfter: max(checkInterval, .seconds(1)),
            reason: "memory is short: the gateway is above its memory limit; send again later")
    }

    public var refusesData: Bool {
        checkWhenDue()
        return isRefusing.load(ordering: .relaxed)
    }

    private func checkWhenDue() {
        let now = clock.now
        guard advance(nextCheck, now, by: checkInterval) else { return }
        var resident = probe.residentBytes()
        let wasRefusing = isRefusing.load(ordering: .relaxed)
        let limit = wasRefusing ? resumeBytes : softLimitBytes
        // What the process has freed and not given back is no reason to refuse anybody.
        if resident > limit, advance(nextTrim, now, by: Self.trimInterval) {
            probe.trimHeap()
            resident = probe.residentBytes()
        }
        let refuses = resident > limit
        isRefusing.store(refuses, ordering: .relaxed)
        report(refuses, before: wasRefusing, resident)
    }

    /// Moves a due time on.
    /// - Returns: whether it was due and this thread moved it.
    private func advance(
        _ due: borrowing Atomic<UInt64>, _ now: Instant, by interval: Duration
    ) -> Bool {
        let time = due.load(ordering: .relaxed)
        guard now.nanoseconds >= time else { return false }
        return due.compareExchange(
            expected: time, desired: (now + interval).nanoseconds, ordering: .relaxed
        ).exchanged
    }

    private func report(_ refuses: Bool, before: Bool, _ resident: Int) {
        let fields = [
            LogField("resident_bytes", resident), LogField("limit_bytes", softLimitBytes),
        ]
        if refuses, !before {
            log.log(.warn, "memory is above the soft limit: data is refused", fields)
        } else if before, !refuses {
            log.log(.info, "memory is below the limit again: data is accepted", fields)
        }
    }
}

public enum MemoryLimiterFactory: ProcessorFactory {
    public static let type = "memory_limiter"

    public static func read(_ reader: inout MappingReader) -> MemoryLimiterSettings {
        MemoryLimiterSettings(&reader)
    }

    public static func make(
        _ settings: MemoryLimiterSettings, _ environment: ComponentEnvironment
    ) -> any Processor {
        MemoryLimiter(
            settings, environment, totalBytes: Machine.memoryLimitBytes, probe: .process)
    }
}
