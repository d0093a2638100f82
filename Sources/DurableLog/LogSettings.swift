/// How one log keeps what it is given.
public struct LogSettings: Sendable, Equatable {
    public enum Durability: String, Sendable, CaseIterable {
        /// On the disk before it is acknowledged.
        case fsync
        /// With the operating system: survives the end of the process, not of the machine.
        case os
        /// In this process alone. Nothing is written.
        case memory
    }

    public var durability = Durability.fsync
    /// Bytes of all segments of a log together.
    public var bytesMax = 8 << 30
    /// A segment is closed when it has reached this many bytes. What is kept for one cursor is
    /// kept by the segment.
    public var segmentBytes = 64 << 20
    /// How long what every cursor has passed is kept for a replay; room that is needed ends it.
    public var retain = Duration.seconds(3600)
    /// What is older is given up although it was not delivered; zero is never.
    public var ageMax = Duration.zero
    /// Bytes of the file system that are left free, or new data is refused.
    public var diskReserveBytes = 256 << 20
    /// The newest records stay in memory up to this many bytes, so that exporters that keep up
    /// read nothing from the disk.
    public var cacheBytesMax = 16 << 20
    /// Payloads are stored as Zstandard frames.
    public var compresses = false

    public init() {}

    /// Whether segments are written past the page cache, which has nothing for what is synced at
    /// once, and read so by cursors that are behind.
    public var bypassesPageCache: Bool { durability == .fsync }

    /// What of a commit is in memory a second time, on its way to the disk. That is waited for at
    /// each write, so that a commit should be one; the page cache is not, and copies faster what is
    /// still in the processor's.
    public var bufferBytesMax: Int { bypassesPageCache ? 2 << 20 : 64 << 10 }
}

/// Why the log takes no more now.
public enum LogRefusal: Error, Equatable, Sendable {
    /// A record of so many bytes has no room even in an empty log: sending it again is in vain.
    case tooLarge(bytes: Int, bytesMax: Int)
    /// The log has reached its limit, and a cursor that may not be skipped needs all of it.
    case full(bytesMax: Int, cursor: String)
    /// The file system has less room left than is to stay free.
    case diskFull(freeBytes: Int)
    /// The file system has room, but can hold no more files.
    case noInodes
    /// Writing failed; it is tried again each second.
    case failing(String)
    case closed
}

extension LogRefusal: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooLarge(let bytes, let bytesMax):
            "the request takes \(bytes) bytes in the log, whose service.log.max_size of "
                + "\(bytesMax) bytes can never hold it; send smaller requests or raise max_size"
        case .noInodes:
            "the file system of service.log.directory has no free inodes: it has room, but cannot "
                + "hold another file; remove files from it"
        case .full(let bytesMax, let cursor):
            "the log has reached its max_size of \(bytesMax) bytes because exporter "
                + "'\(cursor)' does not keep up"
        case .diskFull(let freeBytes):
            "the disk is full but for \(freeBytes) bytes, which service.log.disk_reserve keeps"
        case .failing(let error): "the log cannot be written: \(error)"
        case .closed: "the log is closing"
        }
    }
}

/// What happens to a log besides appending and reading, for the operator.
public enum LogEvent: Sendable, Equatable {
    /// Bytes at the end that were never acknowledged: the process or the machine stopped there.
    case tornEnd(segment: String, bytes: Int)
    /// Bytes amid a segment that are no record. They were copied to `savedTo`, if that worked.
    case damaged(segment: String, offset: Int, bytes: Int, savedTo: String?)
    /// A start misses records that were acknowledged.
    case missing(MissingRecords)
    /// A file that is no segment was put aside.
    case unreadable(segment: String, movedTo: String?)
    /// Writing or syncing a segment failed; it was left, and another begun.
    case segmentAbandoned(segment: String, error: String)
    case refusing(LogRefusal)
    case accepting
    /// A cursor had to give up records: the log was full, or they were over `ageMax`.
    case skipped(cursor: String, first: UInt64, last: UInt64, items: Int, isExpired: Bool)
    /// The storage failed an operation, which is tried again. Comes with every failure.
    case storageFailed(StorageTrouble)
    /// An operation that had failed works again.
    case storageRecovered(StorageOperation, subject: String)
    case cursorsUnreadable(String)
    /// A cursor of an earlier configuration still holds this many items.
    case orphanedCursor(String, items: Int)
}
