import CSQLite
import Platform
import Synchronization

/// How a connection waits for locks, shared with the thread that may end the waiting.
final class SQLiteWaits: Sendable {
    /// For how long a lock of another process is waited for.
    let busyTimeout: Duration
    let isAborted = Atomic<Bool>(false)
    /// Pages in the write-ahead log as of the last commit.
    let walPages = Atomic<Int>(0)

    init(busyTimeout: Duration) { self.busyTimeout = busyTimeout }
}

/// Between two looks at a lock. Short, as the holder is usually a reader that is nearly done.
private let lockPollInterval = Duration.milliseconds(5)

func waitForLock(_ context: UnsafeMutableRawPointer?, attempt: CInt) -> CInt {
    // SAFETY: the context is the connection's own SQLiteWaits.
    let waits = unsafe Unmanaged<SQLiteWaits>.fromOpaque(context!).takeUnretainedValue()
    let waited = lockPollInterval * Int(attempt)
    if waits.isAborted.load(ordering: .relaxed) || waited >= waits.busyTimeout { return 0 }
    // Returns the milliseconds it slept.
    _ = sqlite3_sleep(CInt(lockPollInterval.nanoseconds / 1_000_000))
    return 1
}

func noteWALPages(
    _ context: UnsafeMutableRawPointer?, _: OpaquePointer?, _: UnsafePointer<CChar>?, pages: CInt
) -> CInt {
    // SAFETY: as above.
    let waits = unsafe Unmanaged<SQLiteWaits>.fromOpaque(context!).takeUnretainedValue()
    waits.walPages.store(Int(pages), ordering: .relaxed)
    return SQLITE_OK
}
