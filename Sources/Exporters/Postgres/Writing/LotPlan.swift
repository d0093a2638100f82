import Pipeline

/// What is left to write of a lot.
struct LotPlan: Equatable {
    /// Items of one batch, by their indices in its payload.
    struct Piece: Equatable {
        var batch: Int
        var items: Range<Int>
    }

    /// Of the ledger that it was made with.
    var generation: Int
    private(set) var pieces: [Piece] = []

    init(generation: Int) { self.generation = generation }

    mutating func append(_ batch: Int, _ items: Range<Int>) {
        pieces.append(Piece(batch: batch, items: items))
    }

    var isEmpty: Bool { pieces.isEmpty }
    var itemCount: Int { pieces.reduce(0) { $0 + $1.items.count } }

    /// Without those of `other`, which is a prefix.
    mutating func remove(_ other: LotPlan) {
        var count = other.itemCount
        while count > 0, var first = pieces.first {
            let taken = min(count, first.items.count)
            first.items = first.items.lowerBound + taken..<first.items.upperBound
            pieces[0] = first
            if first.items.isEmpty { pieces.removeFirst() }
            count -= taken
        }
    }

    /// The same after the table was read again: the ledger knows what is there of items that have a
    /// place, and this plan what is left of others.
    func renewed(_ plan: LotPlan, of lot: Lot) -> LotPlan {
        var renewed = LotPlan(generation: plan.generation)
        renewed.pieces =
            (plan.pieces.filter { lot.batches[$0.batch].place != nil }
            + pieces.filter { lot.batches[$0.batch].place == nil })
            .sorted { ($0.batch, $0.items.lowerBound) < ($1.batch, $1.items.lowerBound) }
        return renewed
    }

    /// The first items, at most so many.
    func prefix(_ itemsMax: Int) -> LotPlan {
        var prefix = LotPlan(generation: generation)
        var room = itemsMax
        for piece in pieces where room > 0 {
            let count = min(room, piece.items.count)
            prefix.pieces.append(
                Piece(
                    batch: piece.batch,
                    items: piece.items.lowerBound..<piece.items.lowerBound + count))
            room -= count
        }
        return prefix
    }
}
