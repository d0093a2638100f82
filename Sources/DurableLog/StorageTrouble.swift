import Platform
import Synchronization

/// What a log does with its storage, as far as it can fail.
public enum StorageOperation: String, CaseIterable, Sendable {
    /// Reading a segment for a cursor. The cursor waits; nothing is passed over.
    case read
    /// Writing or syncing a segment, or looking for free space.
    case write
    /// Replacing the file of cursors.
    case saveCursors = "save_cursors"
    /// Deleting a segment that nobody needs, or moving a damaged one aside.
    case delete
    /// Copying damaged bytes to `damaged/`.
    case copyDamage = "copy_damage"
}

/// An operation that failed when it was last tried.
public struct StorageTrouble: Sendable, Equatable {
    public var operation: StorageOperation
    /// Which of its kind: a cursor's name or a file; empty where there is one alone.
    public var subject: String
    public var error: String
    /// Wall time of the first failure in a row, nanoseconds since 1970.
    public var since: UInt64
}

/// The operations that fail at present. Each is tried again by whoever needs it; here stands what
/// the operator has to know meanwhile.
final class StorageTroubles: Sendable {
    private let current = Mutex<[StorageTrouble]>([])
    /// So that success costs a load where nothing was wrong.
    private let count = Atomic<Int>(0)

    /// Those whose subjects differ are as many as cursors and segments; this bounds them.
    private static let troublesMax = 64

    var all: [StorageTrouble] {
        count.load(ordering: .relaxed) == 0 ? [] : current.withLock { $0 }
    }

    func note(_ trouble: StorageTrouble) {
        current.withLock { current in
            if let index = current.firstIndex(where: { $0.isSame(as: trouble) }) {
                current[index].error = trouble.error
            } else if current.count < Self.troublesMax {
                current.append(trouble)
            }
            count.store(current.count, ordering: .relaxed)
        }
    }

    /// The operation has succeeded; whether it had failed before.
    func clear(_ operation: StorageOperation, _ subject: String) -> Bool {
        guard count.load(ordering: .relaxed) > 0 else { return false }
        return current.withLock { current in
            let before = current.count
            current.removeAll { $0.operation == operation && $0.subject == subject }
            count.store(current.count, ordering: .relaxed)
            return current.count < before
        }
    }
}

extension StorageTrouble {
    fileprivate func isSame(as other: StorageTrouble) -> Bool {
        operation == other.operation && subject == other.subject
    }
}

extension DurableLog {
    /// What fails at present, oldest first.
    public var troubles: [StorageTrouble] { storageTroubles.all }

    func noteFailure(_ operation: StorageOperation, of subject: String = "", _ error: String) {
        let trouble = StorageTrouble(
            operation: operation, subject: subject, error: error, since: clock.unixNanoseconds)
        storageTroubles.note(trouble)
        onEvent(.storageFailed(trouble))
    }

    func noteSuccess(_ operation: StorageOperation, of subject: String = "") {
        if storageTroubles.clear(operation, subject) {
            onEvent(.storageRecovered(operation, subject: subject))
        }
    }
}
