import Platform

/// Lets the first line of a kind through and counts the ones that follow, a window at a time.
///
/// A peer that sends the same bad request ten thousand times a second costs one line, and one
/// more per window that says how many there were. Pure: the caller brings the time.
struct LogRateLimiter {
    /// What tells kinds of lines apart.
    struct Key: Hashable {
        let component: String
        let message: String
    }

    enum Verdict: Equatable {
        case write
        /// Write, after saying that `count` lines of this kind were held back before.
        case writeAfterSuppressed(count: Int)
        case suppress
    }

    struct Suppressed: Equatable {
        let key: Key
        let level: LogLevel
        let count: Int
    }

    private struct Entry {
        var windowStart: Instant
        var suppressed: Int
        var level: LogLevel
    }

    /// Kinds remembered at once. Messages are literals of this program, so that the table holds
    /// them all in practice; beyond it, kinds share one entry and are still counted.
    static let keysMax = 512
    static let overflowKey = Key(component: "", message: "other messages")

    let window: Duration
    private var entries: [Key: Entry] = [:]

    init(window: Duration) {
        self.window = window
    }

    /// Decides about one line.
    mutating func admit(_ wanted: Key, level: LogLevel, now: Instant) -> Verdict {
        var key = wanted
        if entries[key] == nil, entries.count >= Self.keysMax {
            forgetQuietEntries(now: now)
            if entries.count >= Self.keysMax { key = Self.overflowKey }
        }
        guard var entry = entries[key] else {
            entries[key] = Entry(windowStart: now, suppressed: 0, level: level)
            return .write
        }
        if now - entry.windowStart < window {
            entry.suppressed += 1
            entry.level = max(entry.level, level)
            entries[key] = entry
            return .suppress
        }
        entries[key] = Entry(windowStart: now, suppressed: 0, level: level)
        return entry.suppressed == 0 ? .write : .writeAfterSuppressed(count: entry.suppressed)
    }

    /// Takes the counts of all windows that have ended, so that they are told even when no
    /// further line of their kind comes; without a `now`, those of the windows still open too.
    mutating func takeSuppressed(now: Instant?) -> [Suppressed] {
        var taken: [Suppressed] = []
        for (key, entry) in entries {
            if let now, now - entry.windowStart < window { continue }
            if entry.suppressed > 0 {
                taken.append(Suppressed(key: key, level: entry.level, count: entry.suppressed))
            }
            entries[key] = nil
        }
        return taken.sorted {
            ($0.key.component, $0.key.message) < ($1.key.component, $1.key.message)
        }
    }

    private mutating func forgetQuietEntries(now: Instant) {
        entries = entries.filter { _, entry in
            entry.suppressed > 0 || now - entry.windowStart < window
        }
    }
}
