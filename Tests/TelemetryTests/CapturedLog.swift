import Platform
import Synchronization

@testable import Telemetry

/// A log whose lines a test reads, with clocks that the test sets.
final class CapturedLog: Sendable {
    private let captured = Mutex<[String]>([])
    let clock = ManualClock(unixNanoseconds: CapturedLog.unixNanoseconds - 1_000_000_000)
    let isWorking = Mutex(true)

    /// 2026-11-20T16:40:38.123Z; a manual clock begins one second past its start.
    static let unixNanoseconds: UInt64 = 1_795_192_838_123_456_789

    var lines: [String] { captured.withLock { $0 } }

    func output(_ encoding: LogEncoding, level: LogLevel = .debug) -> LogOutput {
        LogOutput(
            level: level, encoding: encoding, clock: clock,
            sink: { line in
                let isWorking = self.isWorking.withLock { $0 }
                if isWorking {
                    self.captured.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
                }
                return isWorking
            })
    }
}
