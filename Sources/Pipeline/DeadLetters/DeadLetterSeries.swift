import Bytes
import Platform
import Synchronization

/// Writes one exporter's files.
///
/// Each append opens the file anew: what somebody has removed is then made again, where letters
/// written to a file without a name would be lost. A file of an earlier process is never written
/// to, so that a line that a crash has torn stays the last of its file.
final class DeadLetterSeries: Sendable {
    private struct State {
        var number: Int
        /// Of the file with that number; nil when the next letter goes to a new one.
        var bytes: Int?
    }

    /// An append that failed, and how many bytes it may have left all the same.
    struct Failure: Error {
        var error: SystemError
        var bytesLeft: Int
    }

    private let directory: String
    private let name: String
    private let fileBytesMax: Int
    private let state: Mutex<State>

    /// - Parameter number: of the last file that is there, or 0.
    init(_ name: String, in directory: String, after number: Int, fileBytesMax: Int) {
        self.name = name
        self.directory = directory
        self.fileBytesMax = fileBytesMax
        state = Mutex(State(number: number))
    }

    /// Durable when it returns.
    ///
    /// - Returns: whether a file was made for it.
    func append(_ lines: [UInt8]) throws(Failure) -> Bool {
        try state.withLock { state throws(Failure) in
            if let bytes = state.bytes, bytes + lines.count <= fileBytesMax,
                let file = reopen(state.number, bytes)
            {
                try write(lines, to: file, at: bytes, &state)
                return false
            }
            state.bytes = nil
            let file = try create(&state)
            try write(lines, to: file, at: 0, &state)
            return true
        }
    }

    /// From now on nothing is written to the file with that number.
    func seal(_ number: Int) {
        state.withLock { if $0.number == number { $0.bytes = nil } }
    }

    /// Nil when the file is not as it was left.
    private func reopen(_ number: Int, _ bytes: Int) -> FileDescriptor? {
        guard let file = try? FileDescriptor(opening: path(number), .append),
            (try? file.size()) == bytes
        else { return nil }
        return file
    }

    private func create(_ state: inout State) throws(Failure) -> FileDescriptor {
        do throws(SystemError) {
            if !FileSystem.isDirectory(directory) {
                try FileSystem.makeDirectory(directory)
                try FileSystem.synchronizeDirectory(FileSystem.parent(of: directory))
            }
            state.number += 1
            return try FileDescriptor(opening: path(state.number), .append, creating: .always)
        } catch {
            throw Failure(error: error, bytesLeft: 0)
        }
    }

    private func write(
        _ lines: [UInt8], to file: borrowing FileDescriptor, at start: Int, _ state: inout State
    ) throws(Failure) {
        do throws(SystemError) {
            try file.writeAll(lines.rawSpan)
            try file.synchronizeData()
            if start == 0 { try FileSystem.synchronizeDirectory(directory) }
            state.bytes = start + lines.count
        } catch {
            // The letters come again, to another file: after a failed fdatasync the kernel may
            // hold pages for clean that never reached the disk.
            state.bytes = nil
            let path = path(state.number)
            let isCut: ()? =
                start == 0 ? try? FileSystem.remove(path) : try? file.truncate(to: start)
            throw Failure(error: error, bytesLeft: isCut == nil ? lines.count : 0)
        }
    }

    private func path(_ number: Int) -> String {
        "\(directory)/\(DeadLetterFile(series: name, number: number, bytes: 0).name)"
    }
}
