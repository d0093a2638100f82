import Platform

/// When memory that the process has free goes back to the kernel.
///
/// The heap keeps what was freed between blocks that are in use. To give it back takes a walk over
/// the heap, and it is faulted in again by the next load: so it waits until the process has little
/// to do, or until there is much of it.
///
///     while running {
///         if schedule.isDue(after: interval, resident: …, processorTime: …, now: …) {
///             trim(); schedule.trimmed(to: …, now: …)
///         }
///     }
struct TrimSchedule {
    /// What may have come since the last time, and stays.
    static let growthBytesMin = 2 << 20
    /// So much is given back amid a load as well.
    static let growthBytesUrgent = 64 << 20
    private static let pauseWhenBusy = Duration.seconds(10)
    private static let pauseAtFirst = Duration.seconds(2)
    /// While nothing comes back.
    private static let pauseMax = Duration.seconds(60)
    /// Share of a processor's time that is little to do.
    private static let quietShare = 0.1

    /// After the last trim; at the start, what the first look has found.
    private var residentBytes: Int?
    private var lastTrim: Instant?
    private var lastProcessorTime: Duration?
    private var pause = Self.pauseAtFirst

    /// - Parameters:
    ///   - interval: since the last call.
    ///   - processorTime: of the process, since its start.
    mutating func isDue(
        after interval: Duration, resident: Int, processorTime: Duration, now: Instant
    ) -> Bool {
        defer { lastProcessorTime = processorTime }
        guard let known = residentBytes, let last = lastProcessorTime else {
            residentBytes = resident
            return false
        }
        let growth = resident - known
        let rest = lastTrim.map { now - $0 } ?? Self.pauseMax
        let isQuiet = processorTime - last < interval * Self.quietShare
        if growth >= Self.growthBytesMin { pause = Self.pauseAtFirst }
        guard isQuiet else { return growth >= Self.growthBytesUrgent && rest >= Self.pauseWhenBusy }
        // What was in use at the last time may be free now, without any growth.
        return rest >= pause
    }

    mutating func trimmed(from before: Int, to after: Int, now: Instant) {
        lastTrim = now
        residentBytes = after
        let hasHelped = before - after >= Self.growthBytesMin
        pause = hasHelped ? Self.pauseAtFirst : min(Self.pauseMax, pause * 2)
    }
}
