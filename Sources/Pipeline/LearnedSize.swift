/// How large a request may be for one destination, as far as its answers have told.
///
/// A request that was too large halves what is tried next. Accepted ones of about that size let it
/// grow again, an eighth at a time: a limit may be lifted, and other telemetry compresses better.
struct LearnedSize: Sendable {
    /// Requests of about the limit that are accepted before it grows.
    static let successesBeforeGrowth = 32

    /// Bytes of payload; nil where nothing is known.
    private(set) var limit: Int?
    /// The largest request that was accepted, since one was refused that was no larger.
    private var accepted = 0
    private var successes = 0

    mutating func wasTooLarge(_ bytes: Int) {
        if accepted >= bytes { accepted = 0 }
        limit = max(1, bytes / 2, accepted)
        successes = 0
    }

    mutating func wasAccepted(_ bytes: Int) {
        guard let known = limit else { return }
        accepted = max(accepted, bytes)
        // Small requests say nothing of the limit.
        guard bytes > known / 2 else { return }
        successes += 1
        guard successes >= Self.successesBeforeGrowth else { return }
        successes = 0
        let (grown, isOver) = known.addingReportingOverflow(max(1, known / 8))
        limit = isOver ? nil : grown
    }
}
