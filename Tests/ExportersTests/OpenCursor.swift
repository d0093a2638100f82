import DurableLog
import Synchronization

extension DurableLog {
    /// The cursor of a name that nobody has.
    func openCursor(
        _ name: String, start: CursorStart = .end, isSkippable: Bool = false,
        onAdvance: @escaping @Sendable (_ items: Int, _ bytes: Int) -> Void
    ) -> LogCursor {
        let granted = Mutex<LogCursor?>(nil)
        claim(
            CursorClaim(name, start: start, isSkippable: isSkippable, onAdvance: onAdvance) {
                cursor in granted.withLock { $0 = cursor }
            })
        guard let cursor = granted.withLock({ $0 }) else { fatalError("\(name) is held") }
        return cursor
    }
}
