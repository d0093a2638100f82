/// Finds the id of the container around this process: 64 hexadecimal digits that the engine puts
/// into the paths of its mounts and, before cgroup version 2, of its control groups.
enum ContainerID {
    private static let digitsCount = 64

    /// proc_pid_mountinfo(5): the fourth field is the mount's root on its file system. Engines
    /// mount a container's /etc/hostname from a directory that is called after it:
    /// `…/docker/containers/<id>/hostname`, `…/overlay-containers/<id>/userdata/hostname`.
    static func find(inMounts text: String) -> String? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 4, fields[4] == "/etc/hostname" || fields[4] == "/etc/hosts",
                let containers = fields[3].split(separator: "/").first(where: isID)
            else { continue }
            return String(containers)
        }
        return nil
    }

    /// cgroups(7), /proc/pid/cgroup: `hierarchy:controllers:path`, the last part of the path being
    /// `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>.scope`.
    static func find(inControlGroups text: String) -> String? {
        for line in text.split(separator: "\n") {
            guard let last = line.split(separator: "/").last else { continue }
            let name = last.hasSuffix(".scope") ? last.dropLast(6) : last
            let id = name.split(separator: "-").last ?? name
            if isID(id) { return String(id) }
        }
        return nil
    }

    private static func isID(_ text: Substring) -> Bool {
        text.utf8.count == digitsCount
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }
}
