internal import CShims
internal import Glibc

/// What the machine, or the container that passes for one, has and says of itself.
public enum Machine {
    /// Processors that this process may run on; at least 1.
    public static var processorCount: Int { max(1, Int(sluice_processor_count())) }

    /// Memory in bytes.
    public static var memoryBytes: Int {
        sysconf(Int32(_SC_PHYS_PAGES)) * pageBytes
    }

    public static var pageBytes: Int { sysconf(Int32(_SC_PAGESIZE)) }

    public static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        // SAFETY: at most one byte less than the buffer has is written, so that it ends in NUL.
        unsafe gethostname(&buffer, buffer.count - 1)
        return string(of: buffer)
    }

    /// What may be used: the tightest memory limit of the control groups around this process,
    /// version 2 or 1, or the machine's memory when there is none.
    public static var memoryLimitBytes: Int {
        min(memoryBytes, ControlGroup.memoryLimitBytes() ?? .max)
    }

    static func string(of buffer: [CChar]) -> String {
        let end = buffer.firstIndex(of: 0) ?? buffer.count
        return String(decoding: buffer[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// What this process is and uses.
public enum CurrentProcess {
    public static var id: Int32 { getpid() }

    /// Resident memory in bytes, from /proc/self/statm; 0 when it can't be read.
    public static var residentBytes: Int {
        guard let bytes = try? FileSystem.read("/proc/self/statm", bytesMax: 4096) else { return 0 }
        let fields = bytes.split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else {
            return 0
        }
        return pages * Machine.pageBytes
    }

    /// Fits glibc's heap to request bodies: to give each back to the kernel and fault it in again
    /// cost a tenth of the processor's time. Blocks of a megabyte and more go back at once.
    public static func tuneHeap() {
        sluice_tune_heap(8 << 20, 1 << 20, CInt(min(Machine.processorCount + 1, 8)))
    }

    /// Gives free memory of the heap back to the kernel. Walks the heap: some milliseconds.
    public static func trimHeap() { _ = sluice_trim_heap() }

    /// Processor time of all threads, user and system.
    public static var processorTime: Duration {
        .nanoseconds(Int64(clamping: readClock(CLOCK_PROCESS_CPUTIME_ID)))
    }

    /// A reader of the log or of a pipe that goes away is an error of that write (`EPIPE`), not the
    /// end of the process.
    public static func ignoreBrokenPipes() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Opens /dev/null in place of standard input, output or error where the process was started
    /// without it: a file of ours that got one of these numbers would have the log, or what a
    /// library prints, written into it. Before anything else is opened.
    public static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO {
            guard fcntl(descriptor, F_GETFD) == -1 else { continue }
            // The lowest free number is taken, which is this one. Without /dev/null the number
            // stays free, as it was.
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }

    /// Raises the limit on open descriptors to the hard limit and returns what it is now.
    @discardableResult
    public static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        // SAFETY: the structure outlives both calls.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return 0
        }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        let result = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: result == 0 ? limit.rlim_max : before)
    }

    /// An environment variable.
    public static func environment(_ name: String) -> String? {
        // SAFETY: getenv's text is copied at once; nothing here changes the environment.
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

/// From the kernel's generator (getrandom), which is seeded long before any process like ours runs.
public struct SystemRandom: RandomNumberGenerator, Sendable {
    public init() {}

    public mutating func next() -> UInt64 {
        var value: UInt64 = 0
        // SAFETY: eight bytes, which outlive the call; requests up to 256 bytes are never cut
        // short or interrupted (getrandom(2)).
        let count = unsafe getrandom(&value, 8, 0)
        precondition(count == 8, "BUG: getrandom failed")
        return value
    }

    public static func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandom()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
