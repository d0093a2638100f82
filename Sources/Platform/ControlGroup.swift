/// Memory limits that a container runtime or systemd has put around this process.
public enum ControlGroup {
    /// The tightest limit in bytes over the process's own group and all groups above it; `nil`
    /// when none is set. The kernel says "no limit" as `max` in version 2, and as a number near
    /// 2^63 in version 1.
    /// - Parameter root: in front of `/proc` and `/sys`, for tests.
    public static func memoryLimitBytes(root: String = "") -> Int? {
        let membership = text("\(root)/proc/self/cgroup") ?? ""
        var limits: [Int] = []
        for line in membership.split(separator: "\n") {
            // hierarchy-id:controllers:path
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let mount: (base: String, file: String)? =
                if parts[0] == "0", parts[1].isEmpty {
                    ("\(root)/sys/fs/cgroup", "memory.max")
                } else if parts[1].split(separator: ",").contains("memory") {
                    ("\(root)/sys/fs/cgroup/memory", "memory.limit_in_bytes")
                } else {
                    nil
                }
            guard let mount else { continue }
            for path in pathsUpwards(from: String(parts[2])) {
                let group = "\(mount.base)\(path)"
                limits += [limit("\(group)/\(mount.file)"), inheritedLimit(group)].compactMap(
                    \.self)
            }
        }
        return limits.min()
    }

    /// `/a/b`, `/a`, and the empty path: in a container the named group is often not visible, but
    /// the root is its own.
    private static func pathsUpwards(from path: String) -> [String] {
        var paths: [String] = []
        var path = path == "/" ? "" : path
        while !path.isEmpty, path != "/", path != "." {
            paths.append(path)
            path = FileSystem.parent(of: path)
        }
        return paths + [""]
    }

    private static func limit(_ path: String) -> Int? {
        text(path)?.split(separator: "\n").first.flatMap(limit(in:))
    }

    /// Version 1 says in a group's `memory.stat` what the groups above it allow, also those that
    /// cannot be seen from here.
    private static func inheritedLimit(_ group: String) -> Int? {
        for line in text("\(group)/memory.stat")?.split(separator: "\n") ?? [] {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == "hierarchical_memory_limit" {
                return limit(in: words[1])
            }
        }
        return nil
    }

    private static func limit(in text: Substring) -> Int? {
        guard let bytes = Int(text), bytes > 0, bytes < 1 << 60 else { return nil }
        return bytes
    }

    private static func text(_ path: String) -> String? {
        guard let bytes = try? FileSystem.read(path, bytesMax: 64 << 10) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
