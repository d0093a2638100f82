import Pipeline
import Platform
import Synchronization

/// The thread that gives memory back: what components keep between uses, and what the heap has
/// free.
final class MemoryKeeper: Sendable {
    private static let interval = Duration.seconds(1)

    private let stopping = Monitor(false)
    private let thread: Platform.Thread

    /// - Parameter trim: has the components give back what they keep.
    init(trim: @escaping @Sendable () -> Void) throws(ComponentError) {
        do throws(SystemError) {
            thread = try Platform.Thread(name: "memory-keeper") { [stopping] in
                var schedule = TrimSchedule()
                while stopping.wait(until: .now + Self.interval, { $0 ? true : nil }) == nil {
                    Self.keep(&schedule, trim)
                }
            }
        } catch {
            throw ComponentError("cannot start the thread that gives memory back: \(error)")
        }
    }

    func stop() {
        stopping.withLock { $0 = true }
        stopping.notifyAll()
        thread.join()
    }

    private static func keep(_ schedule: inout TrimSchedule, _ trim: () -> Void) {
        let before = CurrentProcess.residentBytes
        guard
            schedule.isDue(
                after: interval, resident: before, processorTime: CurrentProcess.processorTime,
                now: .now)
        else { return }
        trim()
        CurrentProcess.trimHeap()
        schedule.trimmed(from: before, to: CurrentProcess.residentBytes, now: .now)
    }
}
