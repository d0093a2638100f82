internal import Glibc

extension CurrentProcess {
    /// Unmaps the code that only starting up has run. The kernel maps sixteen pages around each
    /// that is touched, so that half of an idle process's resident memory is code that it will not
    /// run again. What is needed comes back from the page cache with a minor fault. Takes a
    /// millisecond; idle, with `nop`, it leaves 5.4 MB of 11.0.
    public static func releaseStartupPages() {
        guard let maps = try? FileSystem.read("/proc/self/maps", bytesMax: 1 << 20) else { return }
        for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
            // 7f12…-7f34… r-xp 00001000 fe:00 1234 /usr/lib/…
            let columns = line.split(separator: " ", omittingEmptySubsequences: true)
            guard columns.count >= 6, columns[1] == "r-xp", columns[5].hasPrefix("/") else {
                continue
            }
            let ends = columns[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
            guard ends.count == 2, ends[0] < ends[1],
                let start = unsafe UnsafeMutableRawPointer(bitPattern: ends[0])
            else { continue }
            // SAFETY: the range is a mapping of this process's own that is backed by a file and was
            // never writable, so that dropping its pages loses nothing: each can be read again.
            _ = unsafe madvise(start, Int(ends[1] - ends[0]), MADV_DONTNEED)
        }
    }
}
