import Bytes
internal import Glibc
import Pipeline
import Platform
import Synchronization

/// Where text for people goes: standard output, standard error, or a file.
final class TextOutput: Sendable {
    let name: String
    private let descriptor: FileDescriptor
    /// Held while a text is written, so that two never mix.
    private let turn = Mutex(())
    private let isAborted = Atomic(false)

    /// How long a reader may keep us waiting.
    static let writeTimeMax = Duration.seconds(5)
    /// Linux's PIPE_BUF: a pipe that is ready to be written has room for so much, so that a write
    /// of it doesn't block.
    private static let pieceBytesMax = 4096
    private static let abortIsSeenWithin = Duration.milliseconds(100)

    /// - Parameter path: `stdout`, `stderr`, or a file to append to.
    init(_ path: String) throws(ComponentError) {
        name = path
        do throws(SystemError) {
            switch path {
            case "stdout": descriptor = try Self.duplicate(STDOUT_FILENO)
            case "stderr": descriptor = try Self.duplicate(STDERR_FILENO)
            default: descriptor = try FileDescriptor(opening: path, .append, creating: .ifMissing)
            }
        } catch {
            throw ComponentError("cannot write to '\(path)': \(error)")
        }
    }

    /// - Throws: a timeout when the reader is too slow, also after `abort`.
    func write(_ text: [UInt8], by deadline: Instant) throws(SystemError) {
        // The lock's closure does not pass typed errors on.
        let result = turn.withLock { _ in
            Result { () throws(SystemError) in try writePieces(text, by: deadline) }
        }
        try result.get()
    }

    func abort() { isAborted.store(true, ordering: .relaxed) }

    private func writePieces(_ text: [UInt8], by deadline: Instant) throws(SystemError) {
        for start in stride(from: 0, to: text.count, by: Self.pieceBytesMax) {
            let end = min(start + Self.pieceBytesMax, text.count)
            while try !descriptor.wait(for: CInt(POLLOUT), until: .now + Self.abortIsSeenWithin) {
                if isAborted.load(ordering: .relaxed) || .now >= deadline {
                    throw .timedOut("write")
                }
            }
            try descriptor.writeAll(text.rawSpan.extracting(start..<end))
        }
    }

    /// A descriptor of our own, so that closing it leaves the process its standard streams.
    private static func duplicate(_ raw: CInt) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try systemCall("dup") { dup(raw) })
    }
}
