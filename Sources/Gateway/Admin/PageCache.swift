import HTTP
import Platform
import Synchronization

/// Pages that cost something to make. Whoever asks gets a fresh one, but in a flood: then the last
/// one is handed out again.
final class PageCache: Sendable {
    private struct State {
        var pages: [String: HTTPResponse] = [:]
        /// Fresh pages that may be made now.
        var tokens = Double(PageCache.burst)
        var countedAt: Instant?
    }

    private let state = Mutex(State())

    /// Fresh pages at once, and a second: more than scrapers and people ask for.
    private static let burst = 100
    private static let freshASecond = 20.0

    func page(_ name: String, at now: Instant, make: () -> HTTPResponse) -> HTTPResponse {
        let last: HTTPResponse? = state.withLock { state in
            let passed = state.countedAt.map { (now - $0).seconds } ?? 0
            state.tokens = min(
                Double(Self.burst), state.tokens + max(0, passed) * Self.freshASecond)
            state.countedAt = now
            if state.tokens < 1, let page = state.pages[name] { return page }
            state.tokens = max(0, state.tokens - 1)
            return nil
        }
        if let last { return last }
        let page = make()
        // Kept only while there is a flood: a page of metrics is no small thing.
        state.withLock { state in
            if state.tokens < Double(Self.burst) / 2 {
                state.pages[name] = page
            } else {
                state.pages = [:]
            }
        }
        return page
    }
}
