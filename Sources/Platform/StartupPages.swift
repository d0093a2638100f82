internal import Glibc

extension CurrentProcess {
    /// Unmaps the code, and the tables beside it, that only starting up has needed. The kernel maps
    /// sixteen pages around each that is touched, so that most of an idle process's resident memory
    /// is what it will not need again. What is needed comes back from the page cache with a minor
    /// fault. Takes a millisecond.
    public static func releaseStartupPages() {
        guard let maps = try? FileSystem.read("/proc/self/maps", bytesMax: 1 << 20) else { return }
        let mappings = String(decoding: maps, as: UTF8.self).split(separator: "\n")
            .compactMap(Mapping.init)
        for (index, mapping) in mappings.enumerated() {
            let next = index + 1 < mappings.count ? mappings[index + 1] : nil
            guard mapping.isUnwritten(before: next) else { continue }
            // SAFETY: the range is a mapping of this process's own that is backed by a file and was
            // never written to, so that dropping its pages loses nothing: each can be read again.
            _ = unsafe madvise(
                UnsafeMutableRawPointer(bitPattern: mapping.start),
                Int(mapping.end - mapping.start), MADV_DONTNEED)
        }
    }
}

/// A line of /proc/self/maps: `7f12…-7f34… r-xp 00001000 fe:00 1234 /usr/lib/…`.
private struct Mapping {
    var start: UInt
    var end: UInt
    var access: Substring
    var path: Substring

    init?(_ line: Substring) {
        let columns = line.split(separator: " ", omittingEmptySubsequences: true)
        guard columns.count >= 6, columns[5].hasPrefix("/") else { return nil }
        let ends = columns[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
        guard ends.count == 2, ends[0] > 0, ends[0] < ends[1] else { return nil }
        (start, end) = (ends[0], ends[1])
        access = columns[1]
        path = columns[5]
    }

    /// What the dynamic linker has written before it took the right away (RELRO) is the last of an
    /// object's mappings that may only be read, before those that may be written or at its end.
    func isUnwritten(before next: Mapping?) -> Bool {
        switch access {
        case "r-xp": true
        case "r--p": next.map { $0.path == path && $0.access != "rw-p" } ?? false
        default: false
        }
    }
}
