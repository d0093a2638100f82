internal import Glibc
public import Platform
import Synchronization

/// The store for what a destination rejects for its data: one directory, a series of files for each
/// exporter, a line for each letter. `DeadLetterLine` shows its form.
///
/// Several exporters, and several threads of one, use it at once.
public final class DeadLetters: Sendable {
    public enum Failure: Error, Sendable, Equatable {
        /// The letter would not fit; the exporter waits until somebody has made room.
        case full(bytesMax: Int)
        /// May pass: space is freed, a disk is mounted again.
        case system(SystemError)
    }

    public struct Status: Sendable, Equatable {
        public var files = 0
        public var bytes = 0
        /// Set aside by this process. What earlier ones have left is in the files alone: counting
        /// it would be reading all of them.
        public var itemsSinceStart = 0
    }

    private struct State {
        var status = Status()
        /// Of letters that are being written.
        var bytesReserved = 0
        var series: [String: DeadLetterSeries] = [:]
        /// The last file of each series at the start.
        var numbers: [String: Int] = [:]
    }

    /// Files end before the letter that would take them over this size.
    public static let fileBytesStandard = 16 << 20

    public let bytesMax: Int
    private let directory: String
    private let fileBytesMax: Int
    private let clock: any Clock
    private let state: Mutex<State>

    /// - Parameters:
    ///   - directory: of the files; it is made when the first letter comes.
    ///   - bytesMax: of all files, those of earlier processes included.
    public init(
        directory: String, bytesMax: Int, clock: any Clock,
        fileBytesMax: Int = DeadLetters.fileBytesStandard
    ) throws(SystemError) {
        self.directory = directory
        self.bytesMax = bytesMax
        self.clock = clock
        self.fileBytesMax = fileBytesMax
        var state = State()
        for file in try Self.files(in: directory) {
            state.status.files += 1
            state.status.bytes += file.bytes
            state.numbers[file.series] = max(file.number, state.numbers[file.series] ?? 0)
        }
        self.state = Mutex(state)
    }

    public var status: Status { state.withLock { $0.status } }

    /// Keeps the letter. It is durable when this returns.
    public func setAside(_ letter: DeadLetter) throws(Failure) { try setAside([letter]) }

    /// Keeps letters of one exporter, all or none of them, for one wait for the disk.
    public func setAside(_ letters: [DeadLetter]) throws(Failure) {
        guard let exporter = letters.first?.exporter else { return }
        precondition(
            letters.allSatisfy { $0.exporter == exporter }, "BUG: letters of several exporters")
        let now = clock.unixNanoseconds
        var lines: [UInt8] = []
        for letter in letters { DeadLetterLine.append(letter, at: now, to: &lines) }
        let series = try reserve(lines.count, for: DeadLetterFile.series(of: exporter))
        do throws(DeadLetterSeries.Failure) {
            let isNewFile = try series.append(lines)
            state.withLock { state in
                state.bytesReserved -= lines.count
                state.status.bytes += lines.count
                state.status.files += isNewFile ? 1 : 0
                state.status.itemsSinceStart += letters.reduce(0) { $0 + $1.itemCount }
            }
        } catch {
            state.withLock { state in
                state.bytesReserved -= lines.count
                state.status.bytes += error.bytesLeft
            }
            throw .system(error.error)
        }
    }

    /// The files that are there, those of one exporter together and in their order.
    public func files() throws(SystemError) -> [DeadLetterFile] { try Self.files(in: directory) }

    /// The files of one exporter.
    public func files(of exporter: String) throws(SystemError) -> [DeadLetterFile] {
        try files().filter { $0.series == DeadLetterFile.series(of: exporter) }
    }

    /// Reads a file from its start. Nothing more is written to it, so that it can be removed when
    /// all of it was sent again.
    public func open(_ file: DeadLetterFile) throws(SystemError) -> DeadLetterReader {
        let series = state.withLock { $0.series[file.series] }
        series?.seal(file.number)
        return try DeadLetterReader(opening: path(file))
    }

    /// Removes a file whose letters are not needed any more.
    public func remove(_ file: DeadLetterFile) throws(SystemError) {
        try FileSystem.remove(path(file))
        try finishRemoval()
    }

    /// Renames a file in which something cannot be read, so that its letters are not sent once
    /// more, and its bytes are still there for people.
    public func keepDamaged(_ file: DeadLetterFile) throws(SystemError) {
        try FileSystem.rename(path(file), to: path(file) + ".damaged")
        try finishRemoval()
    }

    private func finishRemoval() throws(SystemError) {
        try FileSystem.synchronizeDirectory(directory)
        try recount()
    }

    private func path(_ file: DeadLetterFile) -> String { "\(directory)/\(file.name)" }

    private func reserve(
        _ bytes: Int, for name: String
    ) throws(Failure) -> DeadLetterSeries {
        if let series = tryReserve(bytes, for: name) { return series }
        // Somebody may have removed files by hand.
        do throws(SystemError) { try recount() } catch { throw .system(error) }
        guard let series = tryReserve(bytes, for: name) else { throw .full(bytesMax: bytesMax) }
        return series
    }

    private func tryReserve(_ bytes: Int, for name: String) -> DeadLetterSeries? {
        state.withLock { state in
            guard state.status.bytes + state.bytesReserved + bytes <= bytesMax else { return nil }
            state.bytesReserved += bytes
            if let series = state.series[name] { return series }
            let series = DeadLetterSeries(
                name, in: directory, after: state.numbers[name] ?? 0, fileBytesMax: fileBytesMax)
            state.series[name] = series
            return series
        }
    }

    /// Looks at the files again. What is being written meanwhile may count twice until the next
    /// time, which errs on the side of the bound.
    private func recount() throws(SystemError) {
        try state.withLock { state throws(SystemError) in
            // Under the lock, so that nothing that is finished meanwhile is forgotten.
            let files = try Self.files(in: directory)
            state.status.files = files.count
            state.status.bytes = files.reduce(0) { $0 + $1.bytes }
        }
    }

    private static func files(in directory: String) throws(SystemError) -> [DeadLetterFile] {
        guard FileSystem.exists(directory) else { return [] }
        var files: [DeadLetterFile] = []
        for name in try FileSystem.list(directory) where DeadLetterFile(name: name, bytes: 0) != nil
        {
            do throws(SystemError) {
                let bytes = try FileDescriptor(opening: "\(directory)/\(name)", .read).size()
                if let file = DeadLetterFile(name: name, bytes: bytes) { files.append(file) }
            } catch {
                // Somebody has removed it meanwhile.
                guard error.errno == ENOENT else { throw error }
            }
        }
        files.sort { ($0.series, $0.number) < ($1.series, $1.number) }
        return files
    }
}
