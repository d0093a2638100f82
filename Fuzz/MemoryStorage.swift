import Bytes
import DurableLog
import Platform
import Synchronization

/// Files in memory, which outlive the process that wrote them. What fails, fails for some calls.
final class MemoryStorage: LogStorage {
    enum Failing: Int { case reads, writes, syncs, room }

    final class Node: Sendable {
        let bytes = Mutex<[UInt8]>([])
    }

    private struct State {
        var nodes: [String: Node] = [:]
        var directories: Set<String> = []
        var failing = Failing.reads
        var callsLeft = 0
    }

    private let state = Mutex(State())
    private static let EIO: CInt = 5
    private static let EMFILE: CInt = 24
    private static let ENOENT: CInt = 2
    private static let EEXIST: CInt = 17
    private static let ENOSPC: CInt = 28

    func fail(_ failing: Failing, calls: Int) {
        state.withLock { state in
            state.failing = failing
            state.callsLeft = calls
        }
    }

    func heal() { fail(.reads, calls: 0) }

    fileprivate func check(_ call: String, _ kinds: Failing...) throws(SystemError) {
        let fails = state.withLock { state in
            guard state.callsLeft > 0, kinds.contains(state.failing) else { return nil as CInt? }
            state.callsLeft -= 1
            switch state.failing {
            // An EIO would be a bad place of the disk, and what is in it damaged.
            case .reads: return Self.EMFILE
            case .room: return Self.ENOSPC
            case .writes, .syncs: return Self.EIO
            }
        }
        if let fails { throw SystemError(call: call, errno: fails) }
    }

    private func missing(_ call: String) -> SystemError {
        SystemError(call: call, errno: Self.ENOENT)
    }

    func list(_ directory: String) throws(SystemError) -> [String] {
        let names: [String]? = state.withLock { state in
            guard state.directories.contains(directory) else { return nil }
            return state.nodes.keys.filter { FileSystem.parent(of: $0) == directory }
                .map { String($0.dropFirst(directory.utf8.count + 1)) }.sorted()
        }
        guard let names else { throw missing("opendir") }
        return names
    }

    func makeDirectory(_ path: String) throws(SystemError) {
        state.withLock { _ = $0.directories.insert(path) }
    }

    func create(_ path: String) throws(SystemError) -> any LogFile {
        try check("open", .writes, .room)
        let node: Node? = state.withLock { state in
            guard state.nodes[path] == nil else { return nil }
            let node = Node()
            state.nodes[path] = node
            return node
        }
        guard let node else { throw SystemError(call: "open", errno: Self.EEXIST) }
        return MemoryFile(node, self)
    }

    func open(_ path: String, forWriting: Bool) throws(SystemError) -> any LogFile {
        try check("open", .reads)
        guard let node = state.withLock({ $0.nodes[path] }) else { throw missing("open") }
        return MemoryFile(node, self)
    }

    func rename(_ path: String, to newPath: String) throws(SystemError) {
        try check("rename", .writes)
        let isThere = state.withLock { state in
            guard let node = state.nodes.removeValue(forKey: path) else { return false }
            state.nodes[newPath] = node
            return true
        }
        if !isThere { throw missing("rename") }
    }

    func remove(_ path: String) throws(SystemError) {
        try check("unlink", .writes)
        guard state.withLock({ $0.nodes.removeValue(forKey: path) }) != nil
        else { throw missing("unlink") }
    }

    func synchronizeDirectory(_ path: String) throws(SystemError) { try check("fsync", .syncs) }

    func room(_ path: String) throws(SystemError) -> StorageRoom { StorageRoom(freeBytes: 1 << 40) }
}

final class MemoryFile: LogFile {
    private let node: MemoryStorage.Node
    private let storage: MemoryStorage

    init(_ node: MemoryStorage.Node, _ storage: MemoryStorage) {
        self.node = node
        self.storage = storage
    }

    func size() throws(SystemError) -> Int { node.bytes.withLock { $0.count } }

    func read(
        at offset: Int, upTo count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Int {
        try storage.check("pread", .reads)
        let found = node.bytes.withLock { bytes in
            Array(bytes[min(offset, bytes.count)..<min(offset + count, bytes.count)])
        }
        buffer += found
        return found.count
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(SystemError) {
        try storage.check("pwrite", .writes, .room)
        let new = bytes.array(ByteRange(start: 0, end: bytes.byteCount))
        node.bytes.withLock { bytes in
            if bytes.count < offset {
                bytes += [UInt8](repeating: 0, count: offset - bytes.count)
            }
            let end = min(bytes.count, offset + new.count)
            bytes.replaceSubrange(offset..<end, with: new)
        }
    }

    func truncate(to count: Int) throws(SystemError) {
        try storage.check("ftruncate", .writes)
        node.bytes.withLock { bytes in
            if count < bytes.count {
                bytes.removeLast(bytes.count - count)
            } else {
                bytes += [UInt8](repeating: 0, count: count - bytes.count)
            }
        }
    }

    func synchronize() throws(SystemError) { try storage.check("fdatasync", .syncs) }
}
