/// A fixed number of threads for work that may take long: inflating and transcoding large bodies.
public final class WorkerPool: Sendable {
    public typealias Job = @Sendable () -> Void

    private struct State {
        /// Of each peer that has some.
        var jobs: [Peer: FIFO<Job>] = [:]
        /// Peers that have jobs, each once, in the order of their turns.
        var turns = FIFO<Peer>()
        var waiting = 0
        var running = 0
        var isStopping = false

        mutating func append(_ job: @escaping Job, of peer: Peer) {
            if jobs[peer] == nil { turns.append(peer) }
            jobs[peer, default: FIFO()].append(job)
            waiting += 1
        }

        /// One job of each peer in turn, so that the many of one are not before the first of
        /// another.
        mutating func next() -> Job? {
            guard let peer = turns.popFirst(), let job = jobs[peer]?.popFirst() else { return nil }
            if jobs[peer]?.isEmpty ?? true { jobs[peer] = nil } else { turns.append(peer) }
            waiting -= 1
            running += 1
            return job
        }
    }

    private let state = Monitor(State())
    private let threads: [Thread]
    private let waitingMax: Int
    /// A peer that has fewer waiting is let in beyond `waitingMax`, up to twice that.
    private var fewJobs: Int { waitingMax / 8 }

    /// - Parameters:
    ///   - name: of the threads, followed by their number.
    ///   - waitingMax: jobs that may wait; beyond it `submit` refuses peers that have more than a
    ///     few of them.
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

    /// `false` when too many wait or the pool is stopping; then the job won't run.
    /// - Parameter peer: who is the reason for it; peers have their turns.
    public func submit(for peer: Peer = .local, _ job: @escaping Job) -> Bool {
        let accepted = state.withLock { state in
            let isFull =
                state.waiting >= waitingMax
                && (state.jobs[peer]?.count ?? 0 >= fewJobs || state.waiting >= 2 * waitingMax)
            guard !state.isStopping, !isFull else { return false }
            state.append(job, of: peer)
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
