import Platform
import Synchronization

// The write-ahead log. Readers never wait for it; it can only be emptied when no reader still looks
// at an old state of it.
extension SQLiteStore {
    /// Enough that pages which many commits touch are moved once, in pages of 4 KiB: 16 MiB.
    private static let walPagesBeforeCheckpoint = 4 << 10
    /// From here on it is worth waiting for readers: 64 MiB.
    private static let walPagesBeforeTruncation = 16 << 10
    /// Past this nothing is written until the reader that holds the log has gone: 1 GiB.
    private static let walPagesMax = 256 << 10
    private static let truncationInterval = Duration.seconds(10)
    static let walBytesKept = 64 << 20

    /// Why nothing can be written now though SQLite would write it.
    var obstacle: String? {
        guard waits.walPages.load(ordering: .relaxed) > Self.walPagesMax else { return nil }
        return "the write-ahead log is over 1 GiB: another process keeps a transaction open"
    }

    func checkpointIfDue() throws(SQLiteError) {
        let pages = waits.walPages.load(ordering: .relaxed)
        guard pages >= Self.walPagesBeforeCheckpoint else { return }
        var truncating = false
        if pages >= Self.walPagesBeforeTruncation {
            let now = clock.now
            let next = lastTruncationAttempt.map { $0 + Self.truncationInterval }
            truncating = next.map { now >= $0 } ?? true
            if truncating { lastTruncationAttempt = now }
        }
        try connection.checkpoint(truncating: truncating)
    }
}
