/// Runs actors one step at a time, in an order that a chooser decides: every order that threads
/// could take, one after another, in one thread.
///
/// A step is what a thread does between two moments in which another may come between: a section
/// under one lock, or less. A step that would have to wait is tried again later.
final class Scheduler {
    enum Outcome {
        case done
        /// Nothing was done: something else has to happen first.
        case blocked
        /// These come before the actor's other steps.
        case then([Step])
    }

    typealias Step = () -> Outcome

    struct Actor {
        var name: String
        /// The next one is last.
        var steps: [Step]
        /// May still be blocked when all is over, as a consumer is.
        var isServant: Bool
    }

    private var actors: [Actor] = []
    private var chooser: any Chooser
    private(set) var stepCount = 0
    /// Of the choices that were made.
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    static let stepsMax = 20_000

    init(_ chooser: any Chooser) { self.chooser = chooser }

    func spawn(_ name: String, isServant: Bool = false, _ steps: [Step]) {
        actors.append(Actor(name: name, steps: steps.reversed(), isServant: isServant))
    }

    /// A choice within a step, below `bound`.
    func choose(_ bound: Int) -> Int { chooser.pick(bound) }

    /// Runs until nobody can go on. Returns the names of those who should have.
    func run() -> [String] {
        var last = 0
        while stepCount < Self.stepsMax {
            actors.removeAll { $0.steps.isEmpty }
            var blocked = Set<Int>()
            var hasStepped = false
            while blocked.count < actors.count {
                let ready = actors.indices.filter { !blocked.contains($0) }
                let index = ready[chooser.next(ready.count, last: ready.firstIndex(of: last))]
                if step(index) {
                    hash = (hash ^ UInt64(index)) &* 0x100_0000_01B3
                    last = index
                    hasStepped = true
                    break
                }
                blocked.insert(index)
            }
            if !hasStepped { return actors.filter { !$0.isServant }.map(\.name) }
        }
        return ["no end after \(stepCount) steps"]
    }

    private func step(_ index: Int) -> Bool {
        guard let step = actors[index].steps.last else { return false }
        switch step() {
        case .done: actors[index].steps.removeLast()
        case .blocked: return false
        case .then(let steps):
            actors[index].steps.removeLast()
            actors[index].steps += steps.reversed()
        }
        stepCount += 1
        return true
    }
}

/// Decides who goes next.
protocol Chooser {
    /// Below `count`; `last` is who went before, where that one may go on.
    mutating func next(_ count: Int, last: Int?) -> Int
    mutating func pick(_ bound: Int) -> Int
}

/// Goes on with the same one mostly, or changes all the time, by the seed: some races need a thread
/// to be overtaken by many steps of another, others a change at each.
struct RandomChooser: Chooser {
    private var state: UInt64
    private let staying: Int

    init(seed: UInt64) {
        state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        staying = [0, 40, 80, 95][Int(seed % 4)]
    }

    mutating func next(_ count: Int, last: Int?) -> Int {
        if let last, pick(100) < staying { return last }
        return pick(count)
    }

    mutating func pick(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(max(1, bound)))
    }
}

/// Goes through all orders with at most so many changes between actors that could have gone on, as
/// a tree: each run takes the next branch.
final class ExhaustiveChooser: Chooser {
    private struct Branch {
        var taken: Int
        var count: Int
        var isChange: Bool
    }

    private var branches: [Branch] = []
    private var depth = 0
    private var changes = 0
    private let changesMax: Int

    init(changesMax: Int) { self.changesMax = changesMax }

    func next(_ count: Int, last: Int?) -> Int {
        guard let last else { return branch(count, isChange: false) }
        let isFree = changes < changesMax
        // The one that went before comes first.
        let taken = branch(isFree ? count : 1, isChange: true)
        if taken == 0 { return last }
        changes += 1
        return taken <= last ? taken - 1 : taken
    }

    func pick(_ bound: Int) -> Int { branch(bound, isChange: false) }

    private func branch(_ count: Int, isChange: Bool) -> Int {
        defer { depth += 1 }
        if depth < branches.count { return branches[depth].taken }
        branches.append(Branch(taken: 0, count: count, isChange: isChange))
        return 0
    }

    /// Whether there is another order; the next run takes it.
    func advance() -> Bool {
        depth = 0
        changes = 0
        while var last = branches.popLast() {
            last.taken += 1
            if last.taken < last.count {
                branches.append(last)
                return true
            }
        }
        return false
    }
}
