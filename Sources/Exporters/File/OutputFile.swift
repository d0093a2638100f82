import Bytes
import Platform
import Telemetry

/// The file being written: its lock, its rotation, and what is done about a torn end.
///
/// It is opened by the first lot, not before: at a reload the exporter that takes over is made
/// while the old one still holds the lock.
struct OutputFile: ~Copyable {
    private struct Open: ~Copyable {
        let descriptor: FileDescriptor
        let status: FileStatus
        /// Bytes of whole lots.
        var byteCount: Int
    }

    private let settings: FileSettings
    private let log: Logger
    private let backups: RotatedFiles
    private var open: Open?
    private var wasOpened = false

    init(_ settings: FileSettings, log: Logger) {
        self.settings = settings
        self.log = log
        backups = RotatedFiles(path: settings.path)
    }

    /// Appends a lot's records, all of them or none.
    ///
    /// - Returns: `false` when another process or exporter holds the file's lock.
    mutating func append(
        _ records: [UInt8], unixNanoseconds: UInt64
    ) throws(SystemError) -> Bool {
        // A file that was moved away (logrotate) is whole, and a new one takes its place.
        if let status = open?.status, status.isRegular, FileStatus(of: settings.path) != status {
            close()
        }
        if open == nil, try !openFile() { return false }
        if let rotation = settings.rotation, let size = open?.byteCount, size > 0,
            size + records.count > rotation.bytesMax, open?.status.isRegular == true
        {
            try rotate(rotation, unixNanoseconds)
            guard try openFile() else { return false }
        }
        try write(records)
        return true
    }

    mutating func close() { open = nil }

    private mutating func write(_ records: [UInt8]) throws(SystemError) {
        guard let start = open?.byteCount, let status = open?.status else {
            preconditionFailure("BUG: a file is written that is not open")
        }
        do throws(SystemError) {
            try open?.descriptor.writeAll(records.rawSpan)
            if settings.synchronizes, status.isRegular {
                try open?.descriptor.synchronizeData()
            }
            open?.byteCount += records.count
        } catch {
            // The lot comes again: it must not stand there in part. After a failed fdatasync the
            // kernel may hold pages for clean that never reached the disk, so that nothing more is
            // written through this descriptor.
            let isCut: ()? = try? open?.descriptor.truncate(to: start)
            if isCut == nil || error.call == "fdatasync" { close() }
            throw error
        }
    }

    private mutating func openFile() throws(SystemError) -> Bool {
        let descriptor = try FileDescriptor(
            opening: settings.path, .append, creating: .ifMissing)
        let status = try FileStatus(of: descriptor)
        guard status.isRegular else {
            open = Open(descriptor: descriptor, status: status, byteCount: 0)
            return true
        }
        guard try descriptor.tryLock() else { return false }
        if !wasOpened, !settings.appends, settings.rotation == nil {
            try descriptor.truncate(to: 0)
        }
        wasOpened = true
        let byteCount = try setTornEndAside(descriptor)
        if settings.synchronizes {
            try FileSystem.synchronizeDirectory(FileSystem.parent(of: settings.path))
        }
        open = Open(descriptor: descriptor, status: status, byteCount: byteCount)
        return true
    }

    /// A crash can leave half a record at the end, which would spoil the next one. It is kept
    /// beside the file, in `….torn`, and cut off.
    ///
    /// - Returns: the bytes that are left.
    private func setTornEndAside(
        _ descriptor: borrowing FileDescriptor
    ) throws(SystemError) -> Int {
        let size = try descriptor.size()
        let isLines = settings.format == .json && !settings.isCompressed
        let end =
            isLines
            ? try TornEnd.endOfLines(in: descriptor, size: size)
            : try TornEnd.endOfFrames(in: descriptor, size: size)
        guard end < size else { return size }
        let path = settings.path + ".torn"
        try TornEnd.copy(end..<size, of: descriptor, to: path)
        try descriptor.truncate(to: end)
        try descriptor.synchronizeData()
        log.warn(
            "an incomplete record at the file's end was set aside",
            LogField("file", settings.path), LogField("moved_to", path),
            LogField("bytes", size - end))
        return end
    }

    private mutating func rotate(
        _ rotation: FileSettings.Rotation, _ unixNanoseconds: UInt64
    ) throws(SystemError) {
        try backups.setAside(unixNanoseconds, isLocalTime: rotation.isLocalTime)
        close()
        do throws(SystemError) {
            let removed = try backups.prune(rotation, unixNanoseconds)
            for name in removed { log.info("an old file was removed", LogField("file", name)) }
        } catch {
            // Too many old files are no reason to stop writing.
            log.rateLimited.warn(
                "old files cannot be removed", LogField("file", settings.path),
                LogField("error", "\(error)"))
        }
    }
}
