import Platform
import Synchronization

@testable import LoadGenerator

/// A server that answers as a test says, and remembers what it got.
final class ScriptedTransport: LoadTransport {
    private let received = Mutex<[[UInt8]]>([])
    private let answer: @Sendable (_ attempt: Int) -> LoadAnswer
    private let stopping: Monitor<Bool>
    private let attemptsMax: Int

    /// - Parameter attemptsMax: when so many have come, the run is told to stop.
    init(
        attemptsMax: Int, stopping: Monitor<Bool>,
        _ answer: @escaping @Sendable (_ attempt: Int) -> LoadAnswer
    ) {
        self.attemptsMax = attemptsMax
        self.stopping = stopping
        self.answer = answer
    }

    var bodies: [[UInt8]] { received.withLock { $0 } }

    func send(_ body: [UInt8], deadline: Instant) -> LoadAnswer {
        let attempt = received.withLock { bodies in
            bodies.append(body)
            return bodies.count
        }
        if attempt >= attemptsMax {
            stopping.withLock { $0 = true }
            stopping.notifyAll()
        }
        return answer(attempt)
    }
}
