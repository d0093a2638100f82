import OTLP

/// Finds which items of a batch a destination rejects, by sending it parts of the batch.
///
/// A pure state machine: `next` says what to send, `accepted` and `rejected` take the answer. After
/// "not now" `next` says the same again: the caller waits in its own way.
///
///     while let piece = narrowing.next() {
///         switch send(piece) {
///         case .accepted: narrowing.accepted()
///         case .reject(let reason): narrowing.rejected(because: reason)
///         case .retry: wait()
///         }
///     }
///
/// A rejected part is halved, the largest first, down to single items. An item is given up only in
/// a part that was itself sent and rejected, with one exception: when the batch, both halves and a
/// dozen single items from all over it are rejected, the destination refuses everything, and the
/// batch is given up whole. The reasons are not compared for that, because many destinations write
/// an id of the request into them.
///
/// What it costs is in proportion to the batch: so many attempts as it has items for
/// (`attemptsMax`), and so many bytes as it has itself (`sentFactor`). Where that does not suffice,
/// what is given up with items at fault are parts of a few neighbours, all of about one size.
public struct Narrowing: Sendable {
    /// A part of the batch to send: some of its items, in what enclosed them.
    public struct Piece: Sendable, Equatable {
        /// Indices of the batch's items.
        public let items: Range<Int>
        /// An `Export…ServiceRequest`.
        public let payload: [UInt8]

        public var itemCount: Int { items.count }
    }

    /// A part of the batch that the destination will never take.
    public struct RejectedPiece: Sendable, Equatable {
        public let piece: Piece
        public let reason: String
    }

    /// Of one batch. One item at fault among 8,192 is found with 27, two with 46, each further one
    /// with 20 at most; of 8,192 items 384 attempts are made, for 20 at fault. An attempt costs
    /// what delivering some hundred items does.
    public static func attemptsMax(itemCount: Int) -> Int { 128 + itemCount / 32 }
    /// Bytes that may be sent, as a multiple of the batch's; `sentBytesMin` in any case. Halving
    /// all of it sends it once for each time.
    static let sentFactor = 16
    static let sentBytesMin = 64 << 20
    /// So many single items decide whether the destination refuses everything. Of a batch in which
    /// every second item is good, one in 4,096 is misjudged.
    public static let samplesMax = 12

    fileprivate struct Rejection: Sendable {
        var items: Range<Int>
        var reason: String
    }

    private enum Phase: Equatable {
        /// The batch and its halves.
        case opening
        /// Single items from all over the batch; both halves were rejected.
        case sampling(next: Int)
        case halving
    }

    private let payload: [UInt8]
    private let parts: PayloadParts
    /// Of the payload's items.
    private let whole: Range<Int>
    private let attemptsMax: Int
    private var bytesLeft: Int
    private var phase = Phase.opening
    private var current: Piece?
    /// To be sent as they are; the last goes next.
    private var untried: [Range<Int>] = []
    /// What samples were cut out of. Sent only if a sample is accepted.
    private var remnants: [Range<Int>] = []
    private var rejections = Rejections()
    private var firstReason: String?
    /// Whether items were given up that were only ever sent among others, because the destination
    /// seems to refuse everything.
    public private(set) var isRefusedWhole = false
    /// Answers so far, but for those that said "not now".
    public private(set) var attemptCount = 0
    public private(set) var acceptedItemCount = 0

    /// - Parameter rejection: why the destination rejects the whole batch, where that is known
    ///   already; it is then not sent again.
    public init(
        _ batch: Batch, rejectedBecause rejection: String? = nil, attemptsMax: Int? = nil
    ) {
        let parts = PayloadParts(batch.payload, batch.index)
        self.init(
            parts, of: batch.payload, 0..<batch.itemCount, rejectedBecause: rejection,
            attemptsMax: attemptsMax)
    }

    /// - Parameter items: of the payload, the only ones that it is about.
    init(
        _ parts: PayloadParts, of payload: [UInt8], _ items: Range<Int>,
        rejectedBecause rejection: String? = nil, attemptsMax: Int? = nil
    ) {
        self.payload = payload
        self.parts = parts
        whole = items
        self.attemptsMax = attemptsMax ?? Self.attemptsMax(itemCount: items.count)
        bytesLeft = max(Self.sentBytesMin, payload.count * Self.sentFactor)
        guard let rejection else {
            untried = [whole]
            return
        }
        attemptCount = 1
        reject(whole, because: rejection)
    }

    /// What to send now; nil when nothing is left to find out.
    public mutating func next() -> Piece? {
        if current == nil, let items = nextItems() { current = piece(items) }
        return current
    }

    /// The destination took the piece.
    public mutating func accepted() {
        let piece = answered()
        acceptedItemCount += piece.itemCount
        phase = .halving
        untried += remnants
        remnants.removeAll()
    }

    /// The destination will never take the piece.
    public mutating func rejected(because reason: String) {
        reject(answered().items, because: reason)
    }

    /// What is given up, in the order of the items; neighbours that have one reason are one range.
    /// Final when `next` has returned nil.
    var rejected: [(items: Range<Int>, reason: String)] {
        var joined: [(items: Range<Int>, reason: String)] = []
        for rejection in rejections.inOrder() {
            if let last = joined.last, last.items.upperBound == rejection.items.lowerBound,
                last.reason == rejection.reason
            {
                joined[joined.count - 1].items =
                    last.items.lowerBound..<rejection.items.upperBound
            } else {
                joined.append((rejection.items, rejection.reason))
            }
        }
        return joined
    }

    /// The same as requests.
    public var rejectedPieces: [RejectedPiece] {
        rejected.map { RejectedPiece(piece: piece($0.items), reason: $0.reason) }
    }

    private mutating func answered() -> Piece {
        guard let piece = current else {
            preconditionFailure("BUG: an answer to a piece that was not asked for")
        }
        current = nil
        attemptCount += 1
        bytesLeft -= piece.payload.count
        return piece
    }
}

extension Narrowing {
    /// What one sample may lead to: itself, a part beside it, and a last part of either half.
    private static let samplingAttemptsMax = 2 * samplesMax + 2

    private mutating func nextItems() -> Range<Int>? {
        if isRefusedWhole { return nil }
        if let items = untried.popLast() { return items }
        switch phase {
        case .opening where attemptCount < 3: return halve()
        case .opening:
            let fits = attemptCount + Self.samplingAttemptsMax <= attemptsMax
            phase = fits ? .sampling(next: 0) : .halving
            return nextItems()
        case .sampling(let number): return sample(from: number)
        case .halving: return halve()
        }
    }

    /// Leaves room for an answer to both halves: what was never sent is never given up.
    private mutating func halve() -> Range<Int>? {
        guard attemptCount + 2 <= attemptsMax, bytesLeft > 0,
            let items = rejections.popLarge()?.items
        else { return nil }
        let middle = items.lowerBound + items.count / 2
        untried.append(middle..<items.upperBound)
        return items.lowerBound..<middle
    }

    private mutating func sample(from first: Int) -> Range<Int>? {
        let count = min(Self.samplesMax, whole.count)
        for number in first..<count {
            let item = whole.lowerBound + (2 * number + 1) * whole.count / (2 * count)
            guard cut(item) else { continue }
            phase = .sampling(next: number + 1)
            return item..<item + 1
        }
        phase = .halving
        guard !remnants.isEmpty, let firstReason else { return nil }
        remnants.removeAll()
        rejections = Rejections()
        rejections.insert(Rejection(items: whole, reason: firstReason))
        isRefusedWhole = true
        return nil
    }

    /// Takes the item out of what surrounds it; `false` when it was sent alone already.
    private mutating func cut(_ item: Int) -> Bool {
        let surroundings: Range<Int>
        if let rejection = rejections.remove(around: item) {
            guard rejection.items.count > 1 else {
                rejections.insert(rejection)
                return false
            }
            surroundings = rejection.items
        } else if let index = remnants.firstIndex(where: { $0.contains(item) }) {
            surroundings = remnants.remove(at: index)
        } else {
            preconditionFailure("BUG: an item is neither rejected nor left")
        }
        let parts = [surroundings.lowerBound..<item, item + 1..<surroundings.upperBound]
        remnants += parts.filter { !$0.isEmpty }
        return true
    }

    private mutating func reject(_ items: Range<Int>, because reason: String) {
        if firstReason == nil { firstReason = reason }
        rejections.insert(Rejection(items: items, reason: reason))
    }

    private func piece(_ items: Range<Int>) -> Piece {
        // A batch without items is still something that was sent.
        guard items != 0..<parts.itemCount else { return Piece(items: items, payload: payload) }
        return Piece(items: items, payload: parts.part(items))
    }
}

/// What was rejected and not yet taken apart, by size: the powers of two tell large ones from small
/// ones well enough, and nothing is searched for.
private struct Rejections: Sendable {
    private var bySize: [[Narrowing.Rejection]] = Array(repeating: [], count: Int.bitWidth)

    mutating func insert(_ rejection: Narrowing.Rejection) {
        bySize[Self.size(rejection)].append(rejection)
    }

    /// One of the largest; nil where all are single items.
    mutating func popLarge() -> Narrowing.Rejection? {
        for size in bySize.indices.reversed() where size > 1 {
            if let rejection = bySize[size].popLast() { return rejection }
        }
        return nil
    }

    mutating func remove(around item: Int) -> Narrowing.Rejection? {
        for size in bySize.indices {
            if let index = bySize[size].firstIndex(where: { $0.items.contains(item) }) {
                return bySize[size].remove(at: index)
            }
        }
        return nil
    }

    func inOrder() -> [Narrowing.Rejection] {
        bySize.joined().sorted { $0.items.lowerBound < $1.items.lowerBound }
    }

    /// The bits of the count: 1 for a single item, 2 for two or three.
    private static func size(_ rejection: Narrowing.Rejection) -> Int {
        Int.bitWidth - rejection.items.count.leadingZeroBitCount
    }
}
