import EventLoop
public import Platform

/// `sluice generate`: sends realistic telemetry, for trying out and for load.
///
/// Event loops drive the connections. A thread for each of them would be woken for each answer,
/// which the kernel charges to the server that is measured, and would fight with it for the
/// processors.
public final class LoadRun: Sendable {
    private let start: Instant
    private let clock: any Clock
    private let group: EventLoopGroup
    private let shares: [LoadShare]
    private let progress: Monitor<LoadProgress>

    /// Begins to send.
    /// - Parameter settings: without problems.
    /// - Throws: when the process has no descriptors or threads left. A server that cannot be
    ///   reached is no error: it is tried again, and the summary tells.
    public init(
        _ settings: LoadSettings, clock: any Clock = SystemClock()
    ) throws(SystemError) {
        precondition(settings.problems.isEmpty, "the caller has checked the settings")
        let count = Self.loopCount(settings)
        let progress = Monitor(LoadProgress(settings, shareCount: count))
        let group = try EventLoopGroup(count: count, name: "generate", clock: clock)
        shares = group.loops.enumerated().map { index, loop in
            let numbers = stride(from: index, to: settings.connections, by: count)
            return LoadShare(settings, numbers: numbers, loop: loop, progress: progress)
        }
        start = clock.now
        self.clock = clock
        self.group = group
        self.progress = progress
        for share in shares { share.start() }
    }

    /// Sending what was prepared takes half the time that a gateway needs to take it in, so that
    /// half of the processors have the others saturated, and leave them alone where the server is
    /// on the same machine. Making requests takes two to three times as long as that: then all.
    private static func loopCount(_ settings: LoadSettings) -> Int {
        let processors = Machine.processorCount
        let count = settings.preparedCount > 0 ? max(1, processors / 2) : processors
        return min(count, settings.connections)
    }

    deinit { group.stop() }

    /// Ends the run early: nothing new is sent, and what is under way is waited for.
    public func stop() {
        progress.withLock { $0.isStopping = true }
        for share in shares { share.stop() }
    }

    /// Waits until the duration is over and all that was under way is answered.
    /// - Returns: `nil` when that has not come to pass by `deadline`.
    public func wait(until deadline: Instant? = nil) -> LoadSummary? {
        guard var summary = progress.wait(until: deadline, { $0.summary }) else { return nil }
        summary.elapsed = clock.now - start
        return summary
    }
}
