import OTLP
import Platform

/// One connection's work: generate, wait until it is due, send, and try again where that helps.
struct LoadWorker: ~Copyable {
    /// An attempt without an answer is given up after this long.
    private static let attemptTimeout = Duration.seconds(30)
    /// Before the next attempt, where the server names no time: doubled from the first to the max.
    private static let backoffFirst = Duration.milliseconds(100)
    private static let backoffMax = Duration.seconds(5)
    /// The answers that OTLP calls retryable.
    private static let retryableStatuses: Set<Int> = [429, 502, 503, 504]

    private let settings: LoadSettings
    private let transport: any LoadTransport
    private let clock: any Clock
    private let stopping: Monitor<Bool>
    private var end: Instant
    private var generator: RequestGenerator
    private var encoder: BodyEncoder
    private var pacer: Pacer
    private var summary: LoadSummary

    init(
        _ settings: LoadSettings, stream: Int, start: Instant, transport: any LoadTransport,
        clock: any Clock, stopping: Monitor<Bool>
    ) {
        self.settings = settings
        self.transport = transport
        self.clock = clock
        self.stopping = stopping
        end = start + settings.duration
        generator = RequestGenerator(
            settings.signal, serviceCount: settings.services, seed: settings.seed, stream: stream)
        encoder = BodyEncoder(settings)
        pacer = Pacer(settings, stream: stream, start: start)
        summary = LoadSummary(settings.signal)
    }

    /// Works until time is up or somebody stops it.
    mutating func run() -> LoadSummary {
        let prepared = (0..<settings.preparedCount).map { _ in nextBody() }
        // What was prepared has taken its time before the run.
        if !prepared.isEmpty { end = clock.now + settings.duration }
        var turn = 0
        while wait(until: pacer.next(now: clock.now)) {
            send(prepared.isEmpty ? nextBody() : prepared[turn % prepared.count])
            turn += 1
        }
        return summary
    }

    private mutating func nextBody() -> [UInt8] {
        encoder.body(
            generator.request(
                itemCount: settings.batch, unixNanoseconds: clock.unixNanoseconds))
    }

    /// Sends one request until it is answered for good.
    private mutating func send(_ body: [UInt8]) {
        var backoff = Self.backoffFirst
        while true {
            let start = clock.now
            summary.sentBytes += body.count
            var delay = backoff
            switch transport.send(body, deadline: start + Self.attemptTimeout) {
            case .failed(let text): summary.countFailure(text)
            case .answered(let status, let answer, let retryAfter):
                summary.statuses[status, default: 0] += 1
                guard Self.retryableStatuses.contains(status) else {
                    return finish(status: status, answer, took: clock.now - start)
                }
                delay = retryAfter ?? backoff
            }
            guard wait(until: clock.now + delay) else {
                summary.unsentItems += settings.batch
                return
            }
            summary.retries += 1
            backoff = min(backoff * 2, Self.backoffMax)
        }
    }

    private mutating func finish(status: Int, _ answer: [UInt8], took: Duration) {
        guard (200..<300).contains(status) else {
            summary.failedItems += settings.batch
            return
        }
        summary.latency.observe(took)
        let rejected = PartialSuccess.rejectedCount(answer, settings.signal, settings.encoding)
        if rejected == nil { summary.countFailure("a success without an OTLP response") }
        let count = min(rejected ?? 0, settings.batch)
        summary.rejectedItems += count
        summary.acceptedItems += settings.batch - count
    }

    /// False when the run is over: at its end, should that come before `instant`, or when stopped.
    private func wait(until instant: Instant) -> Bool {
        let wake = min(instant, end)
        if wake > clock.now, stopping.wait(until: wake, { $0 ? true : nil }) != nil { return false }
        return clock.now < end && !stopping.withLock { $0 }
    }
}
