import Platform
import Testing

@testable import Telemetry

struct LogRateLimiterTests {
    private let key = LogRateLimiter.Key(component: "otlp", message: "refused")
    private let start = Instant(nanoseconds: 5)
    private var limiter = LogRateLimiter(window: .seconds(10))

    @Test mutating func `A window begins with the line that is written`() {
        #expect(limiter.admit(key, level: .warn, now: start) == .write)
        #expect(
            limiter.admit(key, level: .warn, now: start + .nanoseconds(9_999_999_999)) == .suppress)
        #expect(
            limiter.admit(key, level: .warn, now: start + .seconds(10))
                == .writeAfterSuppressed(count: 1))
        #expect(limiter.admit(key, level: .warn, now: start + .seconds(11)) == .suppress)
        #expect(limiter.admit(key, level: .warn, now: start + .seconds(30)) != .suppress)
        #expect(limiter.admit(key, level: .warn, now: start + .seconds(50)) == .write)
    }

    @Test mutating func `Components do not silence each other`() {
        let other = LogRateLimiter.Key(component: "zipkin", message: "refused")
        #expect(limiter.admit(key, level: .warn, now: start) == .write)
        #expect(limiter.admit(other, level: .warn, now: start) == .write)
    }

    @Test mutating func `The worst level of what was held back is kept`() {
        _ = limiter.admit(key, level: .info, now: start)
        _ = limiter.admit(key, level: .error, now: start)
        _ = limiter.admit(key, level: .info, now: start)
        #expect(
            limiter.takeSuppressed(now: start + .seconds(20)) == [
                LogRateLimiter.Suppressed(key: key, level: .error, count: 2)
            ])
        #expect(limiter.takeSuppressed(now: start + .seconds(20)).isEmpty)
    }

    @Test mutating func `A full table shares one entry and loses no count`() {
        let kinds = LogRateLimiter.keysMax + 100
        var written = 0
        for _ in 0..<2 {
            for kind in 0..<kinds {
                let key = LogRateLimiter.Key(component: "", message: "m\(kind)")
                if limiter.admit(key, level: .warn, now: start) == .write { written += 1 }
            }
        }
        let suppressed = limiter.takeSuppressed(now: nil)
        #expect(suppressed.count <= LogRateLimiter.keysMax + 1)
        #expect(written + suppressed.reduce(0) { $0 + $1.count } == 2 * kinds)
    }

    @Test mutating func `A full table forgets kinds that have become quiet`() {
        for kind in 0..<LogRateLimiter.keysMax {
            let key = LogRateLimiter.Key(component: "", message: "m\(kind)")
            _ = limiter.admit(key, level: .warn, now: start)
        }
        #expect(limiter.admit(key, level: .warn, now: start + .seconds(11)) == .write)
        #expect(limiter.admit(key, level: .warn, now: start + .seconds(11)) == .suppress)
        #expect(limiter.takeSuppressed(now: nil).map(\.key) == [key])
    }
}
