internal import Glibc

/// A system call that failed, and why. Carries no path, address or payload: the caller knows them.
public struct SystemError: Error, Hashable, Sendable {
    /// The call's name as in its manual page, such as `connect`.
    public let call: String
    /// The `errno` it left.
    public let errno: CInt

    public init(call: String, errno: CInt) {
        self.call = call
        self.errno = errno
    }

    /// A deadline passed before `call` could finish.
    public static func timedOut(_ call: String) -> SystemError {
        SystemError(call: call, errno: ETIMEDOUT)
    }

    /// A file is longer than its reader allows.
    public static func tooLarge(_ call: String) -> SystemError {
        SystemError(call: call, errno: EFBIG)
    }

    public var isTimeout: Bool { errno == ETIMEDOUT }
    public var isNotFound: Bool { errno == ENOENT }
    /// The disk cannot read or write a place.
    public var isBadMedium: Bool { errno == EIO }
    public var isInvalidArgument: Bool { errno == EINVAL }
    /// The file system has no room, or the user may take no more of it.
    public var isDiskFull: Bool { errno == ENOSPC || errno == EDQUOT }
}

extension SystemError: CustomStringConvertible {
    /// For people: `connect: Connection refused`.
    public var description: String { "\(call): \(SystemError.text(of: errno))" }

    /// What the C library calls `errno`.
    public static func text(of errno: CInt) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        // SAFETY: the XSI strerror_r writes at most `count` bytes, with a NUL at the end.
        let result = unsafe buffer.withUnsafeMutableBufferPointer {
            unsafe strerror_r(errno, $0.baseAddress!, $0.count)
        }
        guard result == 0, let end = buffer.firstIndex(of: 0) else { return "errno \(errno)" }
        return String(decoding: buffer[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Runs one system call, again while a signal interrupts it, and turns -1 into a `SystemError`.
///
/// `EBADF` and `EFAULT` trap: descriptors are owned and buffers come from Swift, so either of them
/// means that this process's own bookkeeping is broken, and going on could write to a stranger's
/// file.
@discardableResult
public func systemCall<Result: FixedWidthInteger & SignedInteger>(
    _ name: StaticString, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = errno
        if code == EINTR { continue }
        precondition(
            code != EBADF && code != EFAULT,
            "BUG: a system call got a descriptor that is not open, or memory that is not ours")
        throw SystemError(call: name.description, errno: code)
    }
}

/// Like `systemCall`, for nonblocking descriptors: `nil` where the call would have to wait.
public func nonblockingCall<Result: FixedWidthInteger & SignedInteger>(
    _ name: StaticString, _ body: () -> Result
) throws(SystemError) -> Result? {
    do throws(SystemError) {
        return try systemCall(name, body)
    } catch {
        // EWOULDBLOCK is the same number on Linux.
        if error.errno == EAGAIN { return nil }
        throw error
    }
}
