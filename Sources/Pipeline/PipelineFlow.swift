import Synchronization

/// Counts what becomes of the items that come to one pipeline, since the start of the process. A
/// reload goes on with the counts of the pipeline of that name.
public final class PipelineFlow: Sendable {
    /// The processor that takes items out, and whether it does so to sample.
    public struct Removal: Hashable, Sendable {
        public var processor: String
        public var isSampling: Bool
    }

    /// One request's items on their way through the pipeline.
    public struct Passage: Sendable {
        public var incoming: Int
        var removed: [(by: Removal, items: Int)] = []

        public init(incoming: Int) { self.incoming = incoming }
    }

    /// `accepted == appended + removed` at every moment.
    public struct Counts: Sendable {
        /// Items that the client need not send again.
        public var accepted = 0
        /// Items that it was told to send again.
        public var refused = 0
        public var appended = 0
        /// Handed to the log, which has not said yet whether it has them; counted nowhere else.
        public var appending = 0
        public var removed: [Removal: Int] = [:]
    }

    private let state = Mutex(Counts())

    public init() {}

    public var counts: Counts { state.withLock { $0 } }

    public func refuse(_ itemCount: Int) { state.withLock { $0.refused += itemCount } }

    func beginAppending(_ itemCount: Int) { state.withLock { $0.appending += itemCount } }

    func endAppending(_ itemCount: Int, of passage: Passage, isKept: Bool) {
        state.withLock { counts in
            counts.appending -= itemCount
            guard isKept else {
                counts.refused += passage.incoming
                return
            }
            counts.appended += itemCount
            counts.accept(passage)
        }
    }

    /// Nothing of it was left to append.
    func accept(_ passage: Passage) { state.withLock { $0.accept(passage) } }
}

extension PipelineFlow.Counts {
    fileprivate mutating func accept(_ passage: PipelineFlow.Passage) {
        accepted += passage.incoming
        for (removal, items) in passage.removed { removed[removal, default: 0] += items }
    }
}
