internal import CShims
internal import Glibc
internal import Platform

/// What a descriptor is watched for, and what happened to it.
@frozen public struct Events: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readable = Events(rawValue: 0x1)
    public static let writable = Events(rawValue: 0x4)
    /// An error or a hang-up; reported whether asked for or not.
    public static let failed = Events(rawValue: 0x8 | 0x10)
}

/// epoll, level-triggered.
///
/// Level and not edge: a connection that sends without end gives way to its neighbours after a
/// bounded number of bytes, and epoll reports it again; with edges each such pause, each pause for
/// backpressure too, would need a list of our own of who still has bytes. What edges would save is
/// one epoll_ctl when a write blocks and one when it goes on, which is rare here: answers are
/// small.
@safe struct Poller: ~Copyable {
    /// Events taken from the kernel with one call.
    static let eventsMax = 256

    private let descriptor: FileDescriptor
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(SystemError) {
        let raw = try systemCall("epoll_create1") { epoll_create1(CInt(O_CLOEXEC)) }
        descriptor = FileDescriptor(owning: raw)
        unsafe events = .allocate(capacity: Poller.eventsMax)
        unsafe events.initialize(repeating: epoll_event(), count: Poller.eventsMax)
    }

    deinit { unsafe events.deallocate() }

    borrowing func add(_ fd: CInt, _ events: Events, _ id: RegistrationID) throws(SystemError) {
        try control(EPOLL_CTL_ADD, fd, events, id)
    }

    borrowing func modify(_ fd: CInt, _ events: Events, _ id: RegistrationID) throws(SystemError) {
        try control(EPOLL_CTL_MOD, fd, events, id)
    }

    borrowing func remove(_ fd: CInt) throws(SystemError) {
        try control(EPOLL_CTL_DEL, fd, [], RegistrationID(rawValue: 0))
    }

    /// Waits for events, at most `timeout` milliseconds (-1: for ever), and calls `body` with each.
    borrowing func wait(
        timeout: CInt, _ body: (RegistrationID, Events) -> Void
    ) throws(SystemError) {
        let raw = descriptor.rawValue
        // SAFETY: `events` has room for eventsMax, and only what epoll_wait counted is read.
        let count = unsafe epoll_wait(raw, events, CInt(Poller.eventsMax), timeout)
        guard count >= 0 else {
            if errno == EINTR { return }
            throw SystemError(call: "epoll_wait", errno: errno)
        }
        for index in 0..<Int(count) {
            let id = unsafe sluice_epoll_event_data(events, index)
            let mask = unsafe sluice_epoll_event_mask(events, index)
            body(RegistrationID(rawValue: id), Events(rawValue: mask))
        }
    }

    private borrowing func control(
        _ operation: CInt, _ fd: CInt, _ events: Events, _ id: RegistrationID
    ) throws(SystemError) {
        let raw = descriptor.rawValue
        try systemCall("epoll_ctl") {
            sluice_epoll_control(raw, operation, fd, events.rawValue, id.rawValue)
        }
    }
}
