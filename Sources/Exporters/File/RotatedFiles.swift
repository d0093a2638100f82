internal import Glibc
import Platform

/// The files that a rotated one leaves behind: `traces.json` becomes
/// `traces-2026-11-20T16-00-00.000.json`, as lumberjack, which the Collector uses, names them.
struct RotatedFiles: Sendable {
    private let path: String
    private let directory: String
    /// `traces-` and `.json`.
    private let prefix: String
    private let suffix: String

    /// Names are unique by the millisecond; so many later ones are tried.
    private static let nameAttemptsMax = 10_000

    init(path: String) {
        self.path = path
        directory = FileSystem.parent(of: path)
        let name = path.split(separator: "/").last.map(String.init) ?? path
        // A dot at the start hides a file, and begins no extension.
        let dot = name.dropFirst().lastIndex(of: ".")
        prefix = String(name[..<(dot ?? name.endIndex)]) + "-"
        suffix = dot.map { String(name[$0...]) } ?? ""
    }

    /// Renames the file, never over another.
    func setAside(_ unixNanoseconds: UInt64, isLocalTime: Bool) throws(SystemError) {
        for attempt in 0..<Self.nameAttemptsMax {
            let time = CivilTime(
                unixNanoseconds: unixNanoseconds + UInt64(attempt) * 1_000_000,
                isLocal: isLocalTime)
            let target = "\(directory)/\(prefix)\(time.fileNamePart)\(suffix)"
            if FileSystem.exists(target) { continue }
            try FileSystem.rename(path, to: target)
            return try FileSystem.synchronizeDirectory(directory)
        }
        throw SystemError(call: "rename", errno: EEXIST)
    }

    /// Removes what is too old or too much.
    ///
    /// - Returns: the names of the files that are gone.
    func prune(
        _ rotation: FileSettings.Rotation, _ unixNanoseconds: UInt64
    ) throws(SystemError) -> [String] {
        // The names sort by their time.
        let newestFirst = try FileSystem.list(directory).filter { time(of: $0) != nil }
            .sorted(by: >)
        var surplus = newestFirst.dropFirst(
            rotation.backupsMax == 0 ? newestFirst.count : rotation.backupsMax)[...]
        if rotation.daysMax > 0 {
            let age = UInt64(rotation.daysMax) * 86_400_000_000_000
            let oldest = CivilTime(
                unixNanoseconds: unixNanoseconds - min(age, unixNanoseconds),
                isLocal: rotation.isLocalTime
            ).fileNamePart
            let kept = newestFirst.dropLast(surplus.count)
            surplus = kept.filter { time(of: $0).map { $0 < oldest } ?? false } + surplus
        }
        for name in surplus { try FileSystem.remove("\(directory)/\(name)") }
        return Array(surplus)
    }

    /// The part of a name that says when; `nil` for the name of another file.
    private func time(of name: String) -> Substring? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        let time = name.dropFirst(prefix.count).dropLast(suffix.count)
        let pattern = "0000-00-00T00-00-00.000"
        let isTime = zip(time.utf8, pattern.utf8).allSatisfy { byte, wanted in
            wanted == UInt8(ascii: "0") ? (0x30...0x39).contains(byte) : byte == wanted
        }
        return isTime && time.utf8.count == pattern.utf8.count ? time : nil
    }
}
