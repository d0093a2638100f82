import Glibc
import Platform
import Synchronization

/// Where detectors look, so that tests can say what they find.
struct DetectionSources: Sendable {
    var environment: @Sendable (String) -> String?
    /// nil where the file cannot be read.
    var file: @Sendable (String) -> String?
    var hostName: @Sendable () -> String
    /// What DNS makes of a host's name; nil where it makes nothing of it in time.
    var canonicalName: @Sendable (_ hostName: String, _ timeout: Duration) -> String?

    /// A cgroup's list of mounts is the longest.
    private static let fileBytesMax = 1 << 20

    static let machine = DetectionSources(
        environment: { CurrentProcess.environment($0) },
        file: { path in
            guard let bytes = try? FileSystem.read(path, bytesMax: fileBytesMax) else {
                return nil
            }
            return String(decoding: bytes, as: UTF8.self)
        },
        hostName: { Machine.hostName },
        canonicalName: { NameLookup.canonicalName(of: $0, timeout: $1) })
}

/// DNS, bounded in time: getaddrinfo has no deadline of its own.
private enum NameLookup {
    private struct State: Sendable {
        var isDone = false
        var name: String?
    }

    static func canonicalName(of host: String, timeout: Duration) -> String? {
        let state = Monitor(State())
        let thread = try? Thread(name: "name-lookup") {
            let name = resolve(host)
            state.withLock { $0 = State(isDone: true, name: name) }
            state.notifyAll()
        }
        guard let thread else { return nil }
        let name = state.wait(until: .now + timeout) { $0.isDone ? .some($0.name) : nil }
        // A lookup that is late is let go: it ends by itself, in its resolver's own time.
        if name == nil { abandoned.withLock { $0.append(thread) } } else { thread.join() }
        return name.flatMap(\.self)
    }

    /// Threads must not be let go without being joined; at most one for each start and reload.
    private static let abandoned = Mutex<[Thread]>([])

    private static func resolve(_ host: String) -> String? {
        // SAFETY: the name is a C string for the length of the call, and the list that getaddrinfo
        // allocates on success is freed once its name was copied.
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_CANONNAME
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return nil }
        defer { unsafe freeaddrinfo(list) }
        guard let name = unsafe list?.pointee.ai_canonname else { return nil }
        let text = unsafe String(cString: name)
        return text.isEmpty ? nil : text
    }
}
