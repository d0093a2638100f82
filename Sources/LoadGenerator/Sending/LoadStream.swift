import OTLP
import Platform

/// What became of one attempt to send a request.
enum LoadAnswer: Sendable {
    case answered(status: Int, body: [UInt8], retryAfter: Duration?)
    /// No answer, and why in a few words that are the same each time.
    case failed(String)
}

/// One connection's work: generate, wait until it is due, send, and try again where that helps.
///
/// Pure: no socket and no clock. Whoever owns it asks what to do `next`, does it, and tells what
/// was `answered`.
struct LoadStream: ~Copyable {
    enum Action: Equatable {
        /// Send this, tell what was answered, and only then ask again.
        case send([UInt8])
        /// Ask again then.
        case wait(until: Instant)
        case finished
    }

    private enum Phase {
        case notBegun
        /// The next request is due then.
        case pacing(until: Instant)
        /// An attempt is under way; `backoff` comes before the next one.
        case sending([UInt8], backoff: Duration)
        /// The next attempt, with the same bytes, is due then.
        case retrying([UInt8], until: Instant, backoff: Duration)
        case finished
    }

    /// Before the next attempt, where the server names no time: doubled from the first to the max.
    private static let backoffFirst = Duration.milliseconds(100)
    private static let backoffMax = Duration.seconds(5)
    /// The answers that OTLP calls retryable.
    private static let retryableStatuses: Set<Int> = [429, 502, 503, 504]

    private let settings: LoadSettings
    private let number: Int
    private var generator: RequestGenerator
    private var encoder: BodyEncoder
    private var prepared: [[UInt8]] = []
    private var turn = 0
    private var pacer: Pacer
    private var end = Instant.distantFuture
    private var isStopped = false
    private var phase = Phase.notBegun
    private(set) var summary: LoadSummary

    /// Makes the requests that the settings want prepared, which takes a while.
    /// - Parameter number: the connection's: with the seed it decides what is generated.
    init(_ settings: LoadSettings, number: Int, unixNanoseconds: UInt64) {
        self.settings = settings
        self.number = number
        generator = RequestGenerator(
            settings.signal, serviceCount: settings.services, seed: settings.seed, stream: number)
        encoder = BodyEncoder(settings)
        pacer = Pacer(settings, stream: number, start: Instant(nanoseconds: 0))
        summary = LoadSummary(settings.signal)
        for _ in 0..<settings.preparedCount {
            prepared.append(makeBody(unixNanoseconds: unixNanoseconds))
        }
    }

    /// The run starts: all its connections at the same time, so that they take turns.
    mutating func begin(at start: Instant) {
        end = start + settings.duration
        pacer = Pacer(settings, stream: number, start: start)
        phase = .pacing(until: pacer.next(now: start))
    }

    /// Nothing new begins; what is under way may still be answered.
    mutating func stop() {
        isStopped = true
    }

    mutating func next(now: Instant, unixNanoseconds: UInt64) -> Action {
        let isOver = isStopped || now >= end
        switch phase {
        case .pacing where isOver:
            phase = .finished
        case .retrying where isOver:
            summary.unsentItems += settings.batch
            phase = .finished
        case .pacing(let due), .retrying(_, let due, _):
            if due > now { return .wait(until: min(due, end)) }
            return send(unixNanoseconds: unixNanoseconds)
        case .finished: break
        case .notBegun, .sending:
            preconditionFailure("BUG: a stream was asked for work before it could have any")
        }
        return .finished
    }

    /// - Parameter took: from the first attempt to connect or send until now.
    mutating func answered(_ answer: LoadAnswer, took: Duration, now: Instant) {
        guard case .sending(let body, let backoff) = phase else {
            preconditionFailure("BUG: an answer came to a request that nobody has sent")
        }
        var delay = backoff
        switch answer {
        case .failed(let text): summary.countFailure(text)
        case .answered(let status, let response, let retryAfter):
            summary.statuses[status, default: 0] += 1
            guard Self.retryableStatuses.contains(status) else {
                count(status: status, response, took: took)
                phase = .pacing(until: pacer.next(now: now))
                return
            }
            delay = retryAfter ?? backoff
        }
        phase = .retrying(body, until: now + delay, backoff: min(backoff * 2, Self.backoffMax))
    }

    private mutating func send(unixNanoseconds: UInt64) -> Action {
        let body: [UInt8]
        if case .retrying(let sameBody, _, let backoff) = phase {
            summary.retries += 1
            body = sameBody
            phase = .sending(body, backoff: backoff)
        } else {
            body = nextBody(unixNanoseconds: unixNanoseconds)
            phase = .sending(body, backoff: Self.backoffFirst)
        }
        summary.sentBytes += body.count
        return .send(body)
    }

    private mutating func nextBody(unixNanoseconds: UInt64) -> [UInt8] {
        guard !prepared.isEmpty else { return makeBody(unixNanoseconds: unixNanoseconds) }
        defer { turn = (turn + 1) % prepared.count }
        return prepared[turn]
    }

    private mutating func makeBody(unixNanoseconds: UInt64) -> [UInt8] {
        encoder.body(
            generator.request(itemCount: settings.batch, unixNanoseconds: unixNanoseconds))
    }

    private mutating func count(status: Int, _ response: [UInt8], took: Duration) {
        guard (200..<300).contains(status) else {
            summary.failedItems += settings.batch
            return
        }
        summary.latency.observe(took)
        let rejected = PartialSuccess.rejectedCount(response, settings.signal, settings.encoding)
        if rejected == nil { summary.countFailure("a success without an OTLP response") }
        let count = min(rejected ?? 0, settings.batch)
        summary.rejectedItems += count
        summary.acceptedItems += settings.batch - count
    }
}
