import Synchronization

@testable import Platform

/// A modelled disk with the operating system's memory before it. What was written and not synced is
/// in the memory alone; `losePower` has a random part of it reach the disk, and forgets the rest.
///
/// Everything random comes from one seed, so that a run can be repeated.
final class ModelDisk: Sendable {
    /// Also the smallest part of a write that reaches the disk as a whole, most of the time.
    static let sectorBytes = 512
    static let EIO: CInt = 5
    static let ENOENT: CInt = 2
    static let ENOMEM: CInt = 12
    static let EEXIST: CInt = 17
    static let ENOSPC: CInt = 28
    static let EROFS: CInt = 30

    enum Change {
        case write(offset: Int, [UInt8])
        case truncate(Int)

        func apply(to bytes: inout [UInt8]) {
            switch self {
            case .write(let offset, let new):
                guard !new.isEmpty else { return }
                let missing = offset + new.count - bytes.count
                if missing > 0 { bytes += [UInt8](repeating: 0, count: missing) }
                bytes.replaceSubrange(offset..<offset + new.count, with: new)
            case .truncate(let count):
                if count < bytes.count {
                    bytes.removeSubrange(count...)
                } else {
                    bytes += [UInt8](repeating: 0, count: count - bytes.count)
                }
            }
        }
    }

    final class Node {
        /// As the process sees it.
        var bytes: [UInt8] = []
        /// As it would be after a power loss that loses all it may.
        var durable: [UInt8] = []
        var unsynced: [Change] = []
    }

    /// One name's change in a directory; a rename is two that stay together.
    struct NameChange {
        var names: [(path: String, node: Node?)]
    }

    struct State: ~Copyable {
        var random: SeededRandom
        var nodes: [String: Node] = [:]
        var durableNodes: [String: Node] = [:]
        var unsynced: [NameChange] = []
        var directories: Set<String> = []
        var capacityBytes = Int.max
        var hasInodes = true
        /// Storages made before the last crash reach nothing any more.
        var generation = 0
        var calls = 0
        var faults = FaultPlan()
        /// Places that cannot be read, whoever tries.
        var unreadable: [String: Range<Int>] = [:]

        var usedBytes: Int { nodes.values.reduce(0) { $0 + $1.bytes.count } }
    }

    private let state: Mutex<State>

    init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed))) }

    func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try state.withLock(body)
    }

    /// Calls of the log to its storage so far.
    var calls: Int { state.withLock { $0.calls } }
    var isDown: Bool { state.withLock { $0.faults.hasCrashed } }

    func set(_ faults: FaultPlan) { state.withLock { $0.faults = faults } }

    /// The file system as a process sees it that starts now.
    func boot() -> ModelStorage {
        state.withLock { state in
            state.generation += 1
            state.faults = FaultPlan()
            return ModelStorage(disk: self, generation: state.generation)
        }
    }

    /// Ends the process: what it wrote stays with the operating system.
    func endProcess() { state.withLock { $0.generation += 1 } }

    /// Ends the process and the machine.
    func losePower() {
        state.withLock { state in
            state.generation += 1
            for change in state.unsynced.shuffled(using: &state.random)
            where state.random.chance(1, 2) {
                change.apply(to: &state.durableNodes)
            }
            state.unsynced = []
            state.nodes = state.durableNodes
            for (_, node) in state.nodes.sorted(by: { $0.key < $1.key }) {
                node.settle(&state.random)
                node.bytes = node.durable
            }
        }
    }

    /// The bytes of all files, for what a test wants to say of a failure.
    var fileSizes: [String: Int] { state.withLock { $0.nodes.mapValues(\.bytes.count) } }
}

extension ModelDisk.NameChange {
    func apply(to nodes: inout [String: ModelDisk.Node]) {
        for (path, node) in names { nodes[path] = node }
    }
}

extension ModelDisk.Node {
    /// Has a random part of what was not synced reach the disk, in any order, and the rest never.
    func settle(_ random: inout SeededRandom) {
        // All, none or some: the first two are what happens most.
        let share = random.below(4)
        for change in unsynced.shuffled(using: &random) {
            switch change {
            case .truncate:
                if share == 3 || (share > 0 && random.chance(1, 2)) { change.apply(to: &durable) }
            case .write(let offset, let bytes):
                for piece in Self.pieces(offset, bytes, &random)
                where share == 3 || (share > 0 && random.chance(1, 2)) {
                    piece.apply(to: &durable)
                }
            }
        }
        unsynced = []
    }

    /// The sectors of a write; now and then one is torn at any byte.
    private static func pieces(
        _ offset: Int, _ bytes: [UInt8], _ random: inout SeededRandom
    ) -> [ModelDisk.Change] {
        var pieces: [ModelDisk.Change] = []
        var start = 0
        while start < bytes.count {
            let toSector = ModelDisk.sectorBytes - (offset + start) % ModelDisk.sectorBytes
            let end = min(bytes.count, start + toSector)
            let torn = random.chance(1, 16) ? start + random.below(end - start + 1) : end
            pieces.append(.write(offset: offset + start, Array(bytes[start..<torn])))
            start = end
        }
        return pieces
    }
}

/// SplitMix64: small, good enough, and the same everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }

    mutating func chance(_ one: Int, _ of: Int) -> Bool { below(of) < one }
}
