internal import CShims
internal import Glibc
internal import Synchronization

/// Messages from any thread to the one that waits on `descriptor` (an eventfd, for epoll or poll).
///
/// The eventfd is written only when the queue was empty, so that a burst costs one wake-up.
public final class Mailbox<Message: Sendable>: Sendable {
    private let queue = Mutex<[Message]>([])
    private let event: FileDescriptor
    private let messagesMax: Int

    /// - Parameter messagesMax: `post` refuses beyond it.
    public init(messagesMax: Int) throws(SystemError) {
        self.messagesMax = messagesMax
        let raw = try systemCall("eventfd") { eventfd(0, CInt(O_NONBLOCK | O_CLOEXEC)) }
        event = FileDescriptor(owning: raw)
    }

    /// Readable while there are messages.
    public var rawDescriptor: CInt { event.rawValue }

    /// From any thread. `false` when the mailbox is full.
    @discardableResult
    public func post(_ message: consuming sending Message) -> Bool {
        var message = Optional(message)
        let wasEmpty: Bool? = queue.withLock { queue in
            guard queue.count < messagesMax, let taken = message.take() else { return nil }
            queue.append(taken)
            return queue.count == 1
        }
        guard let wasEmpty else { return false }
        if wasEmpty { wake() }
        return true
    }

    /// All messages so far, oldest first. By the owner of the mailbox.
    public func takeAll() -> [Message] {
        var counter: UInt64 = 0
        // SAFETY: eight bytes, as eventfd wants. EAGAIN only says that nobody has written: a second
        // look at the queue costs less than an argument about it. Reading before taking makes sure
        // that a message posted in between leaves its wake-up behind.
        _ = unsafe read(event.rawValue, &counter, 8)
        return queue.withLock { queue in
            let messages = queue
            queue = []
            return messages
        }
    }

    private func wake() {
        var one: UInt64 = 1
        // SAFETY: eight bytes, as eventfd wants. It can only fail with EAGAIN when the counter is
        // near 2^64, and then the reader is awake already.
        _ = unsafe write(event.rawValue, &one, 8)
    }
}
