public import Platform
import Synchronization

/// `sluice generate`: sends realistic telemetry, for trying out and for load.
public enum LoadGenerator {
    /// Sends until the duration is over, and waits for the answers to what is under way.
    /// - Parameters:
    ///   - settings: without problems.
    ///   - stopping: set to true and notified, it ends the run early.
    /// - Throws: when the process has no descriptors or threads left. A server that cannot be
    ///   reached is no error: it is tried again, and the summary tells.
    public static func run(
        _ settings: LoadSettings, clock: any Clock = SystemClock(),
        stopping: Monitor<Bool> = Monitor(false)
    ) throws(SystemError) -> LoadSummary {
        let transport = try HTTPTransport(settings, clock: clock)
        return try run(settings, over: transport, clock: clock, stopping: stopping)
    }

    static func run(
        _ settings: LoadSettings, over transport: any LoadTransport, clock: any Clock,
        stopping: Monitor<Bool>
    ) throws(SystemError) -> LoadSummary {
        precondition(settings.problems.isEmpty, "the caller has checked the settings")
        let start = clock.now
        let total = Total(LoadSummary(settings.signal))
        var threads: [Thread] = []
        // Whatever happens, every thread is joined before this returns.
        defer { for thread in threads { thread.join() } }
        do throws(SystemError) {
            for stream in 0..<settings.connections {
                let thread = try Thread(name: "generate-\(stream)") {
                    var worker = LoadWorker(
                        settings, stream: stream, start: start, transport: transport,
                        clock: clock, stopping: stopping)
                    total.add(worker.run())
                }
                threads.append(thread)
            }
        } catch {
            stopping.withLock { $0 = true }
            stopping.notifyAll()
            throw error
        }
        for thread in threads { thread.join() }
        return total.summary(elapsed: clock.now - start)
    }

    /// The sum over all connections.
    private final class Total: Sendable {
        private let sum: Mutex<LoadSummary>

        init(_ summary: LoadSummary) {
            sum = Mutex(summary)
        }

        func add(_ part: LoadSummary) {
            sum.withLock { $0.add(part) }
        }

        func summary(elapsed: Duration) -> LoadSummary {
            var summary = sum.withLock { $0 }
            summary.elapsed = elapsed
            return summary
        }
    }
}
