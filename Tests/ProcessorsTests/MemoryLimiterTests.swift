import OTLP
import Pipeline
import Platform
import Synchronization
import Testing

@testable import Processors

struct MemoryLimiterTests {
    private final class Memory: Sendable {
        let resident = Atomic<Int>(0)
        let reads = Atomic<Int>(0)
        let trims = Atomic<Int>(0)

        var probe: MemoryLimiter.Probe {
            MemoryLimiter.Probe(
                residentBytes: {
                    self.reads.add(1, ordering: .relaxed)
                    return self.resident.load(ordering: .relaxed)
                },
                trimHeap: { self.trims.add(1, ordering: .relaxed) })
        }
    }

    private static func isRefused(_ limiter: MemoryLimiter) -> Bool {
        var batch = batch(.logs, [Group(items: [Item()])])
        do {
            try limiter.process(&batch, RequestContext(receivedAt: 0))
            return false
        } catch {
            return true
        }
    }

    private static func limiter(
        _ yaml: String, _ memory: Memory, _ bench: Bench, total: Int = 1000 << 20
    ) -> MemoryLimiter {
        MemoryLimiter(
            reading(yaml, MemoryLimiterFactory.read).value, bench.environment, totalBytes: total,
            probe: memory.probe)
    }

    @Test func `Data is refused above the soft limit until memory has fallen well below it`() {
        let (memory, bench) = (Memory(), Bench())
        let limiter = Self.limiter("{limit_mib: 100, check_interval: 1s}", memory, bench)
        #expect(limiter.softLimitBytes == 80 << 20)
        #expect(!Self.isRefused(limiter))
        for (mebibytes, isRefused) in [(80, false), (81, true), (79, true), (70, false)] {
            memory.resident.store(mebibytes << 20, ordering: .relaxed)
            bench.clock.advance(by: .seconds(1))
            #expect(Self.isRefused(limiter) == isRefused, "\(mebibytes) MiB")
        }
        #expect(
            bench.sample(
                "otelcol_processor_refused_items{processor=\"test\",otel_signal=\"logs\"}") == "2")
    }

    @Test func `Memory is read once in an interval, and trimmed seldom`() {
        let (memory, bench) = (Memory(), Bench())
        memory.resident.store(1 << 40, ordering: .relaxed)
        let limiter = Self.limiter("{limit_mib: 100, check_interval: 1s}", memory, bench)
        for _ in 0..<10 { #expect(Self.isRefused(limiter)) }
        // Before a trim and after it.
        #expect(memory.reads.load(ordering: .relaxed) == 2)
        bench.clock.advance(by: .seconds(1))
        #expect(Self.isRefused(limiter))
        #expect(memory.reads.load(ordering: .relaxed) == 3)
        #expect(memory.trims.load(ordering: .relaxed) == 1)
        bench.clock.advance(by: .seconds(10))
        #expect(Self.isRefused(limiter))
        #expect(memory.trims.load(ordering: .relaxed) == 2)
    }

    @Test func `Memory that is only not given back yet refuses nobody`() {
        let (memory, bench) = (Memory(), Bench())
        var probe = memory.probe
        probe.trimHeap = { memory.resident.store(10 << 20, ordering: .relaxed) }
        memory.resident.store(1 << 30, ordering: .relaxed)
        let settings = reading("{limit_mib: 100, check_interval: 1s}", MemoryLimiterFactory.read)
        let limiter = MemoryLimiter(
            settings.value, bench.environment, totalBytes: 1 << 30, probe: probe)
        #expect(!Self.isRefused(limiter))
    }

    @Test func `What is in use is refused for, until a trim has given it back`() {
        let (memory, bench) = (Memory(), Bench())
        let inUse = Atomic<Int>(90 << 20)
        var probe = memory.probe
        probe.trimHeap = {
            memory.resident.store(inUse.load(ordering: .relaxed), ordering: .relaxed)
        }
        memory.resident.store(90 << 20, ordering: .relaxed)
        let settings = reading("{limit_mib: 100, check_interval: 1s}", MemoryLimiterFactory.read)
        let limiter = MemoryLimiter(
            settings.value, bench.environment, totalBytes: 1 << 30, probe: probe)
        #expect(Self.isRefused(limiter))
        // Freed, but no page went back by itself.
        inUse.store(10 << 20, ordering: .relaxed)
        for _ in 0..<10 { bench.clock.advance(by: .seconds(1)) }
        #expect(!Self.isRefused(limiter))
    }

    @Test func `Percentages are of what the process may use`() {
        let limiter = Self.limiter(
            "{limit_percentage: 80, spike_limit_percentage: 15}", Memory(), Bench())
        #expect(abs(limiter.softLimitBytes - 650 << 20) < 1000)
    }

    @Test func `The process can be asked`() {
        #expect(MemoryLimiter.Probe.process.residentBytes() > 1 << 20)
        MemoryLimiter.Probe.process.trimHeap()
    }

    @Test(arguments: [
        ("check_interval: 1s", "needs limit_mib or limit_percentage"),
        ("{check_interval: 0s, limit_mib: 10}", "must be above zero"),
        ("{limit_mib: 10, spike_limit_mib: 10}", "must be below limit_mib (10)"),
        ("{limit_percentage: 101}", "between 0 and 100"),
        (
            "{limit_percentage: 10, spike_limit_percentage: 20}",
            "must be below limit_percentage (10)"
        ),
    ])
    func `Wrong settings are reported`(_ yaml: String, _ message: String) {
        let report = reading(yaml, MemoryLimiterFactory.read).report
        #expect(report.contains(message), "\(report)")
    }
}
