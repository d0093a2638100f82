public import Platform
internal import Synchronization

/// The loops of a process, one for each processor as a rule. Several servers share them.
public final class EventLoopGroup: Sendable {
    public let loops: [EventLoop]
    private let turn = Atomic<Int>(0)

    public init(
        count: Int = Machine.processorCount, name: String = "loop",
        clock: any Clock = SystemClock()
    ) throws(SystemError) {
        precondition(count > 0, "BUG: a group without a loop would never do its work")
        var loops: [EventLoop] = []
        for number in 0..<count {
            do throws(SystemError) {
                loops.append(try EventLoop(name: "\(name)-\(number)", clock: clock))
            } catch {
                for loop in loops { loop.stop() }
                throw error
            }
        }
        self.loops = loops
    }

    /// The loops in turn.
    public func next() -> EventLoop {
        let (number, _) = turn.wrappingAdd(1, ordering: .relaxed)
        return loops[Int(UInt(bitPattern: number) % UInt(loops.count))]
    }

    /// Ends all loops' threads and waits for them. Stop the servers first.
    public func stop() {
        for loop in loops { loop.stop() }
    }
}
