import Bytes
import Pipeline
import Platform

/// Keeps other processes out of a data directory, as long as this value lives or its process does.
///
/// The lock is on the directory itself: unlike a file in it, nobody can remove it and put another
/// in its place while it is held. The file `lock` says which process has it; it is locked as well,
/// for file systems that lock no directories, and then it must stay where it is.
struct DataDirectoryLock: ~Copyable, Sendable {
    private let directory: FileDescriptor
    private let file: FileDescriptor

    private init(_ directory: consuming FileDescriptor, _ file: consuming FileDescriptor) {
        self.directory = directory
        self.file = file
    }

    static func take(_ path: String) throws(ComponentError) -> DataDirectoryLock {
        do throws(SystemError) {
            try FileSystem.makeDirectory(path)
            // Or a power loss could take the directory with all that is in it.
            try FileSystem.synchronizeDirectory(FileSystem.parent(of: path))
            let directory = try FileDescriptor(opening: path, .read)
            let file = try FileDescriptor(
                opening: "\(path)/lock", .readWrite, creating: .ifMissing)
            // Network file systems lock what is open for writing alone, which no directory is.
            let isFree = (try? directory.tryLock()) ?? true
            guard isFree, try file.tryLock() else { throw SystemError(call: owner(file), errno: 0) }
            try file.truncate(to: 0)
            try file.writeAll(Array("\(CurrentProcess.id)\n".utf8).rawSpan)
            return DataDirectoryLock(directory, file)
        } catch {
            guard error.errno == 0 else { throw unusable(path, error) }
            throw ComponentError(
                "the data directory '\(path)' is in use by \(error.call); stop it, or give this "
                    + "one another service.log.directory")
        }
    }

    private static func owner(_ file: borrowing FileDescriptor) -> String {
        var text: [UInt8] = []
        _ = try? file.read(at: 0, upTo: 32, appendingTo: &text)
        let owner = String(decoding: text.prefix { $0 > 32 }, as: UTF8.self)
        return owner.isEmpty ? "another process" : "process \(owner)"
    }

    private static func unusable(_ path: String, _ error: SystemError) -> ComponentError {
        ComponentError(
            "the data directory '\(path)' cannot be used: \(error); set service.log.directory to "
                + "one that this user may write to, or service.log.durability to memory")
    }
}
