public import Platform

/// Why a log cannot be read on at some place. What is there stays, and no cursor passes it.
public enum LogReadError: Error, Equatable, Sendable {
    /// The system's answer; the next attempt may have another.
    case system(SystemError, path: String)
    /// A record whose checksums hold is of a kind, or has flags, that this version does not know:
    /// it may be something acknowledged, so that nothing here may pass over it.
    case newerRecord(path: String, offset: Int, kind: UInt8, flags: UInt8)
}

extension LogReadError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let error, let path): "\(path): \(error)"
        case .newerRecord(let path, let offset, let kind, let flags):
            "\(path) has a record of kind \(kind) with flags \(flags) at offset \(offset), which "
                + "Sluice \(Version.current) does not know: a newer Sluice wrote it; start that "
                + "one again until the log is delivered, or move the file away"
        }
    }
}
