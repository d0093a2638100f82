import DurableLog
import HTTP
import Pipeline
import Platform
import Synchronization

/// The replays since the start, one at a time for each exporter.
final class Replays: Sendable {
    fileprivate struct State {
        var isStopped = false
        var lastNumber = 0
        /// The latest ones.
        var replays: [Replay] = []
        /// Items of those that are forgotten, by exporter and pipeline.
        var forgotten: [[String]: Int] = [:]
    }

    private let state = Mutex(State())

    /// More are forgotten, but for what they add to the sums.
    private static let keptMax = 64

    /// Begins in a thread of its own.
    ///
    /// - Throws: why it can't, in words.
    func start(
        _ source: Replay.Source, to exporter: String, _ delivery: Delivery
    ) throws(ControlError) -> Replay {
        try state.withLock { state throws(ControlError) in
            guard !state.isStopped else {
                throw ControlError(.serviceUnavailable, "the gateway is stopping")
            }
            guard !state.replays.contains(where: { $0.exporter == exporter && $0.isRunning })
            else { throw ControlError(.conflict, "exporter '\(exporter)' has a replay already") }
            state.lastNumber += 1
            let replay = Replay(
                number: state.lastNumber, exporter: exporter, source, delivery)
            do throws(SystemError) {
                try replay.start()
            } catch {
                throw ControlError(.serviceUnavailable, "cannot start a thread: \(error)")
            }
            state.forget(downTo: Self.keptMax)
            state.replays.append(replay)
            return replay
        }
    }

    /// Ends those that run, and waits for them. Their exporters' queues are closed.
    func stop() {
        let replays = state.withLock { state in
            state.isStopped = true
            return state.replays
        }
        for replay in replays { replay.cancel() }
        for replay in replays { replay.join() }
    }

    subscript(number: Int) -> Replay? {
        state.withLock { $0.replays.first { $0.number == number } }
    }

    /// Items that were sent again to an exporter.
    func itemCount(_ exporter: String, _ pipeline: String) -> Int {
        state.withLock { state in
            state.replays.filter { $0.exporter == exporter }
                .reduce(state.forgotten[[exporter, pipeline]] ?? 0) {
                    $0 + $1.replayed(in: pipeline)
                }
        }
    }
}

extension Replays.State {
    fileprivate mutating func forget(downTo count: Int) {
        while replays.count >= count, let index = replays.firstIndex(where: { !$0.isRunning }) {
            let replay = replays.remove(at: index)
            replay.join()
            for pipeline in replay.pipelines {
                forgotten[[replay.exporter, pipeline], default: 0] +=
                    replay.replayed(in: pipeline)
            }
        }
    }
}
