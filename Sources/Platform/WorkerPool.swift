/// A fixed number of threads for work that may take long: inflating and transcoding large bodies.
public final class WorkerPool: Sendable {
    public typealias Job = @Sendable () -> Void

    private struct State {
        var queue: [Job] = []
        /// Jobs before this offset were taken already; compacted now and then.
        var taken = 0
        var running = 0
        var isStopping = false

        var waiting: Int { queue.count - taken }

        mutating func next() -> Job? {
            guard taken < queue.count else { return nil }
            let job = queue[taken]
            taken += 1
            if taken == queue.count {
                queue.removeAll(keepingCapacity: true)
                taken = 0
            } else if taken >= 64, taken * 2 >= queue.count {
                queue.removeFirst(taken)
                taken = 0
            }
            running += 1
            return job
        }
    }

    private let state = Monitor(State())
    private let threads: [Thread]
    private let waitingMax: Int

    /// - Parameters:
    ///   - name: of the threads, followed by their number.
    ///   - waitingMax: jobs that may wait; `submit` refuses beyond it.
    public init(name: String, threads count: Int, waitingMax: Int) throws(SystemError) {
        precondition(count > 0, "BUG: a pool without a thread would never do its work")
        self.waitingMax = waitingMax
        var threads: [Thread] = []
        let state = state
        for number in 0..<count {
            do throws(SystemError) {
                threads.append(try Thread(name: "\(name)-\(number)") { WorkerPool.work(state) })
            } catch {
                state.withLock { $0.isStopping = true }
                state.notifyAll()
                for thread in threads { thread.join() }
                throw error
            }
        }
        self.threads = threads
    }

    deinit { stop() }

    /// `false` when the queue is full or the pool is stopping; then the job won't run.
    public func submit(_ job: @escaping Job) -> Bool {
        let accepted = state.withLock { state in
            guard !state.isStopping, state.waiting < waitingMax else { return false }
            state.queue.append(job)
            return true
        }
        if accepted { state.notifyAll() }
        return accepted
    }

    /// Jobs that wait, for metrics.
    public var waitingCount: Int { state.withLock { $0.waiting } }

    /// Waits until no job waits or runs; `false` when the deadline came first.
    public func drain(until deadline: Instant?) -> Bool {
        state.wait(until: deadline) { $0.waiting == 0 && $0.running == 0 ? true : nil } ?? false
    }

    /// Takes no more jobs, finishes those that it has, and ends its threads. Not from a job.
    public func stop() {
        state.withLock { $0.isStopping = true }
        state.notifyAll()
        for thread in threads { thread.join() }
    }

    private static func work(_ state: Monitor<State>) {
        while true {
            let job: Job?? = state.wait { state in
                if let job = state.next() { return .some(job) }
                return state.isStopping ? .some(nil) : nil
            }
            guard let job = job ?? nil else { return }
            job()
            state.withLock { $0.running -= 1 }
            state.notifyAll()
        }
    }
}
