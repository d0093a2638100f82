import EventLoop
import Platform

/// The connections that one loop drives, and the sum of what they have done.
final class LoadShare: @unchecked Sendable {
    // SAFETY: what is not constant is touched on the loop's thread alone.

    private let loop: EventLoop
    private let settings: LoadSettings
    private let numbers: StrideTo<Int>
    private let progress: Monitor<LoadProgress>
    private var connections: [LoadConnection] = []
    private var leftCount = 0
    private var summary: LoadSummary

    /// - Parameter numbers: of its connections.
    init(
        _ settings: LoadSettings, numbers: StrideTo<Int>, loop: EventLoop,
        progress: Monitor<LoadProgress>
    ) {
        self.loop = loop
        self.settings = settings
        self.numbers = numbers
        self.progress = progress
        summary = LoadSummary(settings.signal)
    }

    /// Prepares all connections before the first one sends: time spent on the next one's requests
    /// would be missing where it is measured.
    func start() {
        loop.execute { [self] in
            let server = LoadServer(settings)
            for number in numbers where !progress.withLock({ $0.isStopping }) {
                connections.append(
                    LoadConnection(settings, number: number, to: server, loop: loop) {
                        [unowned self] in finished($0)
                    })
            }
            leftCount = connections.count
            if connections.isEmpty { report() }
            let start = loop.clock.now
            for connection in connections { connection.begin(at: start) }
        }
    }

    func stop() {
        loop.execute { [self] in
            for connection in connections { connection.stop() }
        }
    }

    private func finished(_ part: LoadSummary) {
        summary.add(part)
        leftCount -= 1
        if leftCount == 0 { report() }
    }

    private func report() {
        progress.withLock { $0.add(summary) }
        progress.notifyAll()
    }
}

/// What the loops of a run tell its owner.
struct LoadProgress: Sendable {
    var isStopping = false
    private var sharesLeft: Int
    private var sum: LoadSummary

    init(_ settings: LoadSettings, shareCount: Int) {
        sharesLeft = shareCount
        sum = LoadSummary(settings.signal)
    }

    mutating func add(_ part: LoadSummary) {
        sum.add(part)
        sharesLeft -= 1
    }

    /// `nil` until all loops have finished.
    var summary: LoadSummary? { sharesLeft == 0 ? sum : nil }
}
