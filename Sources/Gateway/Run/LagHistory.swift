import DurableLog
import Platform
import Synchronization

/// How what each cursor holds of its log has grown lately: from this comes when the log is full.
final class LagHistory: Sendable {
    struct Cursor: Hashable, Sendable {
        var pipeline: String
        var name: String
    }

    private struct Sample {
        var at: Instant
        var heldBytes: Int
    }

    private let samples = Mutex<[Cursor: [Sample]]>([:])

    /// One a second: a minute smooths bursts, and follows a destination that dies soon enough.
    private static let samplesMax = 60
    /// Over less than this a rate says nothing.
    private static let spanMin = Duration.seconds(2)

    func note(_ account: CursorAccount, in pipeline: String, at now: Instant) {
        let cursor = Cursor(pipeline: pipeline, name: account.name)
        samples.withLock { samples in
            samples[cursor, default: []].append(Sample(at: now, heldBytes: account.heldBytes))
            if samples[cursor]!.count > Self.samplesMax { samples[cursor]!.removeFirst() }
        }
    }

    /// Forgets the cursors of a pipeline that it no longer has.
    func keep(_ names: Set<String>, of pipeline: String) {
        samples.withLock { samples in
            samples = samples.filter { $0.key.pipeline != pipeline || names.contains($0.key.name) }
        }
    }

    /// Bytes a second; nil where it is too soon to say.
    func growth(of name: String, in pipeline: String) -> Double? {
        samples.withLock { samples in
            guard let known = samples[Cursor(pipeline: pipeline, name: name)],
                let first = known.first, let last = known.last, last.at - first.at >= Self.spanMin
            else { return nil }
            return Double(last.heldBytes - first.heldBytes) / (last.at - first.at).inSeconds
        }
    }
}

extension Duration {
    /// As a fraction.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
