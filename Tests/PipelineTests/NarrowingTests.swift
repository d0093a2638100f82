import OTLP
import Testing

@testable import Pipeline

/// Takes what has no item at fault, as a destination that checks every item does.
private struct Destination {
    var bad: Set<Int>
    var accepted: [Int] = []
    var attempts = 0
    /// Payloads that were read and found right: many thousands come more than once.
    var seen: [Range<Int>: [UInt8]] = [:]

    mutating func run(_ narrowing: inout Narrowing, _ signal: Signal) throws {
        while let piece = narrowing.next() {
            attempts += 1
            try check(piece, signal)
            if bad.isDisjoint(with: piece.items) {
                accepted += piece.items
                narrowing.accepted()
            } else {
                narrowing.rejected(because: "bad")
            }
        }
    }

    mutating func check(_ piece: Narrowing.Piece, _ signal: Signal) throws {
        if seen[piece.items] == piece.payload { return }
        #expect(try Numbered.numbers(piece.payload, signal) == Array(piece.items))
        seen[piece.items] = piece.payload
    }
}

private func narrowing(_ signal: Signal, _ groups: [[Int]]) throws -> Narrowing {
    Narrowing(try Numbered.batch(signal, groups))
}

@Suite struct NarrowingTests {
    /// Items by scope, by resource; scopes and resources without items stand between them.
    private static let shapes: [[[Int]]] = [
        [[1]], [[2], [0], [1]], [[1, 1, 1], [1]], [[0], [5]], [[3, 1], [], [0, 2, 2]],
    ]
    /// Every subset of ten takes a while, so that only the signal with most levels has it.
    private static let cases =
        Signal.allCases.flatMap { signal in shapes.map { (signal, $0) } }
        + [(.metrics, [[3, 0, 4], [1, 2]])]

    @Test(arguments: cases)
    func `Of any items at fault those are given up, and each other one is taken once`(
        signal: Signal, shape: [[Int]]
    ) throws {
        let count = shape.joined().reduce(0, +)
        let whole = try narrowing(signal, shape)
        var destination = Destination(bad: [])
        for subset in 0..<1 << count {
            let bad = (0..<count).filter { subset >> $0 & 1 == 1 }
            destination = Destination(bad: Set(bad), seen: destination.seen)
            var narrowing = whole
            try destination.run(&narrowing, signal)
            let rejected = narrowing.rejectedPieces
            #expect(rejected.flatMap(\.piece.items) == bad)
            for rejection in rejected { try destination.check(rejection.piece, signal) }
            #expect(destination.accepted.sorted() == (0..<count).filter { !bad.contains($0) })
            #expect(narrowing.acceptedItemCount == count - bad.count)
            #expect(narrowing.attemptCount == destination.attempts)
            #expect(destination.attempts <= max(1, 2 * count - 1))
        }
    }

    @Test(arguments: [20, 1000, 8192])
    func `A few items at fault are found in a large batch`(count: Int) throws {
        for bad in [[0], [count - 1], [count / 3], [2, count / 2 + 3]] {
            var destination = Destination(bad: Set(bad))
            var narrowing = try narrowing(.logs, [[count]])
            try destination.run(&narrowing, .logs)
            #expect(narrowing.rejectedPieces.flatMap(\.piece.items) == bad)
            #expect(destination.accepted.count == count - bad.count)
            #expect(narrowing.attemptCount <= Narrowing.attemptsMax(itemCount: count))
        }
    }

    @Test(arguments: [2, 3, 7, 30], [13, 40, 300])
    func `Many items at fault cost a bounded number of attempts, and none is sent in vain`(
        every: Int, count: Int
    ) throws {
        let bad = Set(stride(from: 0, to: count, by: every))
        var destination = Destination(bad: bad)
        var narrowing = try narrowing(.traces, [[count / 2], [count - count / 2]])
        try destination.run(&narrowing, .traces)
        #expect(destination.attempts <= Narrowing.attemptsMax(itemCount: count))
        let rejected = narrowing.rejectedPieces.flatMap { Array($0.piece.items) }
        // Each item is in one place, and no item at fault was taken.
        #expect((rejected + destination.accepted).sorted() == Array(0..<count))
        #expect(bad.isSubset(of: rejected))
        #expect(!narrowing.isRefusedWhole)
    }

    @Test func `A destination that refuses everything costs a few attempts`() throws {
        var narrowing = Narrowing(
            try Numbered.batch(.metrics, [[500], [500]]), rejectedBecause: "403 (request 0)")
        var attempts = 0
        while let piece = narrowing.next() {
            attempts += 1
            #expect(piece.itemCount == (attempts <= 2 ? 500 : 1))
            narrowing.rejected(because: "403 (request \(attempts))")
        }
        #expect(attempts == 2 + Narrowing.samplesMax)
        #expect(narrowing.isRefusedWhole)
        let rejected = narrowing.rejectedPieces
        #expect(rejected.map(\.piece.items) == [0..<1000])
        #expect(rejected.map(\.reason) == ["403 (request 0)"])
        #expect(narrowing.next() == nil)
    }

    @Test func `A batch that is only too large as a whole is taken in parts`() throws {
        var narrowing = try narrowing(.logs, [[100]])
        var taken = 0
        while let piece = narrowing.next() {
            if piece.itemCount > 30 {
                narrowing.rejected(because: "too large")
            } else {
                taken += piece.itemCount
                narrowing.accepted()
            }
        }
        #expect(taken == 100)
        #expect(narrowing.rejectedPieces.isEmpty)
    }

    @Test func `A piece that was not answered comes again`() throws {
        var narrowing = try narrowing(.traces, [[4]])
        narrowing.rejected(because: "bad", after: 1)
        let piece = narrowing.next()
        #expect(piece?.items == 0..<2)
        #expect(narrowing.next() == piece)
        #expect(narrowing.attemptCount == 1)
        narrowing.accepted()
        #expect(narrowing.next()?.items == 2..<4)
    }

    @Test func `Neighbours are one piece where they have one reason`() throws {
        var narrowing = try narrowing(.logs, [[4]])
        while let piece = narrowing.next() {
            switch piece.items {
            case 0..<1: narrowing.accepted()
            case 3..<4: narrowing.rejected(because: "late")
            default: narrowing.rejected(because: "early")
            }
        }
        #expect(narrowing.rejectedPieces.map(\.piece.items) == [1..<3, 3..<4])
        #expect(narrowing.rejectedPieces.map(\.reason) == ["early", "late"])
    }

    @Test
    func `With no attempts left, a rejected piece is given up whole, and an unsent one never`()
        throws
    {
        for attemptsMax in 1...12 {
            var destination = Destination(bad: [5, 9])
            var narrowing = Narrowing(
                try Numbered.batch(.traces, [[12]]), attemptsMax: attemptsMax)
            try destination.run(&narrowing, .traces)
            #expect(destination.attempts <= attemptsMax)
            let rejected = narrowing.rejectedPieces.flatMap { Array($0.piece.items) }
            #expect(rejected.count + destination.accepted.count == 12)
            #expect(Set(rejected).isSuperset(of: [5, 9]))
        }
    }

    @Test func `A batch without items is given up as it is`() throws {
        let batch = try Numbered.batch(.traces, [[0]])
        var narrowing = Narrowing(batch, rejectedBecause: "empty")
        #expect(narrowing.next() == nil)
        #expect(narrowing.rejectedPieces.map(\.piece.payload) == [batch.payload])
    }
}

extension Narrowing {
    fileprivate mutating func rejected(because reason: String, after attempts: Int) {
        for _ in 0..<attempts {
            _ = next()
            rejected(because: reason)
        }
    }
}
