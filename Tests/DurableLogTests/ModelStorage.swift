import Bytes
import Platform
import Synchronization
import Testing

@testable import DurableLog

/// What the modelled disk does to the log's calls.
struct FaultPlan: Sendable {
    enum Kind: Sendable, CaseIterable {
        /// `EIO` for a call that writes, creates, renames, removes or syncs.
        case writeError
        /// `ENOSPC` for what takes room.
        case diskFull
        /// `EIO` for a sync: nobody knows what is on the disk, and another sync is fine.
        case syncError
        /// A write that does a part of its work and fails.
        case shortWrite
        /// `EROFS` for all that changes anything.
        case readOnly
        /// `ENOMEM` for a read.
        case noMemory
    }

    /// The machine, or the process, ends in the call of that number.
    var crashAt = Int.max
    var hasCrashed = false
    /// Calls that fail, by number.
    var failing: Range<Int> = 0..<0
    var kind = Kind.writeError
    /// Of a hundred calls, so many fail.
    var percent = 0
}

/// A file system on a ``ModelDisk``, for one run of a process.
struct ModelStorage: LogStorage {
    enum Call { case read, write, create, change, sync, ask }

    let disk: ModelDisk
    let generation: Int

    /// Counts a call and does it, unless it is to fail.
    func call<Result>(
        _ name: String, _ kind: Call,
        _ body: (inout ModelDisk.State) throws(SystemError) -> sending Result
    ) throws(SystemError) -> sending Result {
        try disk.withLock { state throws(SystemError) in
            try check(name, kind, &state)
            return try body(&state)
        }
    }

    private func check(
        _ name: String, _ kind: Call, _ state: inout ModelDisk.State
    ) throws(SystemError) {
        guard generation == state.generation, !state.faults.hasCrashed
        else { throw SystemError(call: name, errno: ModelDisk.EIO) }
        state.calls += 1
        if state.calls >= state.faults.crashAt {
            state.faults.hasCrashed = true
            throw SystemError(call: name, errno: ModelDisk.EIO)
        }
        guard
            state.faults.failing.contains(state.calls)
                || (state.faults.percent > 0 && state.random.below(100) < state.faults.percent)
        else { return }
        let isChange = kind == .write || kind == .create || kind == .change
        let code: CInt? =
            switch state.faults.kind {
            case .writeError: isChange || kind == .sync ? ModelDisk.EIO : nil
            case .diskFull: kind == .write || kind == .create ? ModelDisk.ENOSPC : nil
            case .syncError: kind == .sync ? ModelDisk.EIO : nil
            case .shortWrite: kind == .write ? ModelDisk.EIO : nil
            case .readOnly: isChange ? ModelDisk.EROFS : nil
            case .noMemory: kind == .read ? ModelDisk.ENOMEM : nil
            }
        if let code { throw SystemError(call: name, errno: code) }
    }

    func list(_ directory: String) throws(SystemError) -> [String] {
        try call("opendir", .ask) { state throws(SystemError) in
            guard state.directories.contains(directory)
            else { throw SystemError(call: "opendir", errno: ModelDisk.ENOENT) }
            return state.nodes.keys.filter { FileSystem.parent(of: $0) == directory }
                .map { String($0.dropFirst(directory.count + 1)) }.sorted()
        }
    }

    /// Directories are durable at once, as the log asks for it.
    func makeDirectory(_ path: String) throws(SystemError) {
        try call("mkdir", .ask) { state throws(SystemError) in
            _ = state.directories.insert(path)
        }
    }

    func create(_ path: String) throws(SystemError) -> any LogFile {
        let node = try call("open", .create) { state throws(SystemError) in
            guard state.nodes[path] == nil
            else { throw SystemError(call: "open", errno: ModelDisk.EEXIST) }
            guard state.directories.contains(FileSystem.parent(of: path))
            else { throw SystemError(call: "open", errno: ModelDisk.ENOENT) }
            let node = ModelDisk.Node()
            state.change([(path, node)])
            return NodeReference(node)
        }
        return ModelFile(node, self)
    }

    func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile {
        let node = try call("open", forWriting ? .change : .ask) { state throws(SystemError) in
            guard let node = state.nodes[path]
            else { throw SystemError(call: "open", errno: ModelDisk.ENOENT) }
            return NodeReference(node)
        }
        return ModelFile(node, self)
    }

    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try call("rename", .change) { state throws(SystemError) in
            guard let node = state.nodes[path]
            else { throw SystemError(call: "rename", errno: ModelDisk.ENOENT) }
            state.change([(path, nil), (newPath, node)])
        }
    }

    func remove(_ path: String) throws(SystemError) {
        try call("unlink", .change) { state throws(SystemError) in
            guard state.nodes[path] != nil
            else { throw SystemError(call: "unlink", errno: ModelDisk.ENOENT) }
            state.change([(path, nil)])
        }
    }

    func synchronizeDirectory(_ path: String) throws(SystemError) {
        try call("fsync", .sync) { state throws(SystemError) in
            state.unsynced.removeAll { change in
                guard change.names.contains(where: { FileSystem.parent(of: $0.path) == path })
                else { return false }
                change.apply(to: &state.durableNodes)
                return true
            }
        }
    }

    func room(_ path: String) throws(SystemError) -> StorageRoom {
        try call("statvfs", .ask) { state throws(SystemError) in
            StorageRoom(
                freeBytes: max(0, state.capacityBytes - state.usedBytes),
                hasInodes: state.hasInodes)
        }
    }
}

// SAFETY: the node is touched under the disk's lock alone.
struct NodeReference: @unchecked Sendable {
    let node: ModelDisk.Node

    init(_ node: ModelDisk.Node) { self.node = node }
}

extension ModelDisk.State {
    mutating func change(_ names: [(path: String, node: ModelDisk.Node?)]) {
        let change = ModelDisk.NameChange(names: names)
        change.apply(to: &nodes)
        unsynced.append(change)
    }
}

final class ModelFile: LogFile {
    private let reference: NodeReference
    private let storage: ModelStorage
    private let writesBlocks = Atomic<Bool>(false)

    init(_ reference: NodeReference, _ storage: ModelStorage) {
        self.reference = reference
        self.storage = storage
    }

    func size() throws(SystemError) -> Int {
        try storage.call("fstat", .ask) { _ throws(SystemError) in reference.node.bytes.count }
    }

    func read(
        at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int {
        let bytes = try storage.call("pread", .read) { state throws(SystemError) in
            let bytes = reference.node.bytes
            let wanted = min(offset, bytes.count)..<min(offset + count, bytes.count)
            for (path, range) in state.unreadable
            where range.overlaps(wanted) && state.nodes[path] === reference.node {
                throw SystemError(call: "pread", errno: ModelDisk.EIO)
            }
            return Array(bytes[wanted])
        }
        buffer += bytes
        return bytes.count
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
        let new = bytes.array(ByteRange(start: 0, end: bytes.byteCount))
        let block = writesBlocks.load(ordering: .relaxed) ? BlockBuffer.blockBytes : 1
        #expect(offset % block == 0 && new.count % block == 0, "a write of less than a block")
        do throws(SystemError) {
            try storage.call("pwrite", .write) { state throws(SystemError) in
                let growth = max(0, offset + new.count - reference.node.bytes.count)
                guard state.usedBytes + growth <= state.capacityBytes
                else { throw SystemError(call: "pwrite", errno: ModelDisk.ENOSPC) }
                reference.node.change(.write(offset: offset, new))
            }
        } catch {
            // A part of it is there, in the system's memory at least.
            let disk = storage.disk
            disk.withLock { state in
                guard storage.generation == state.generation else { return }
                let count = state.random.below(new.count + 1)
                let growth = max(0, offset + count - reference.node.bytes.count)
                guard error.errno != ModelDisk.EROFS,
                    state.usedBytes + growth <= state.capacityBytes
                else { return }
                reference.node.change(.write(offset: offset, Array(new[..<count])))
            }
            throw error
        }
    }

    func bypassPageCache() { writesBlocks.store(true, ordering: .relaxed) }

    func truncate(to bytes: Int) throws(SystemError) {
        try storage.call("ftruncate", .change) { _ throws(SystemError) in
            reference.node.change(.truncate(bytes))
        }
    }

    func synchronize() throws(SystemError) {
        do throws(SystemError) {
            try storage.call("fdatasync", .sync) { _ throws(SystemError) in
                for change in reference.node.unsynced { change.apply(to: &reference.node.durable) }
                reference.node.unsynced = []
            }
        } catch {
            storage.disk.withLock { state in
                // Where the machine has ended in the call, that decides what is on the disk.
                guard storage.generation == state.generation, !state.faults.hasCrashed
                else { return }
                reference.node.forget(&state.random)
            }
            throw error
        }
    }
}

extension ModelDisk.Node {
    func change(_ change: ModelDisk.Change) {
        change.apply(to: &bytes)
        unsynced.append(change)
    }

    /// After a failed sync Linux holds all pages for clean: some have reached the disk, the others
    /// never will, and whether they are still in memory is chance.
    func forget(_ random: inout SeededRandom) {
        settle(&random)
        var start = 0
        while start < min(bytes.count, durable.count) {
            let end = min(start + ModelDisk.sectorBytes, bytes.count, durable.count)
            if random.chance(1, 4) {
                bytes.replaceSubrange(start..<end, with: durable[start..<end])
            }
            start = end
        }
    }
}
