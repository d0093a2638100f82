internal import HTTP
internal import Platform

/// The answers of one connection, in the order of the requests (RFC 9112, 9.3.2), whatever the
/// order they become ready in.
struct AnswerQueue {
    struct Item {
        enum Content {
            case awaited
            case ready(HTTPResponse)
            /// `100 Continue`, which has its place in the order too.
            case interim
        }

        var content: Content
        var head: HTTPRequestHead?
        /// What the head takes of memory.
        var headBytes = 0
        var route = ""
        var requestBytes = 0
        var started: Instant
        var keepsAlive: Bool
        /// The request was read to its end, so that the client isn't sending any more of it.
        var isWhole = false
    }

    private var items: [Item] = []
    /// Of the first item; numbers are never used again.
    private var firstNumber = 0
    /// What all heads take of memory.
    private(set) var headBytes = 0

    var count: Int { items.count }
    var isEmpty: Bool { items.isEmpty }

    /// Returns the item's number.
    mutating func append(_ item: Item) -> Int {
        items.append(item)
        headBytes += item.headBytes
        return firstNumber + items.count - 1
    }

    /// The item of that number is there: its exchange answers once, and a queue that was emptied
    /// belongs to a connection that is closed.
    mutating func fill(_ number: Int, with response: HTTPResponse) {
        items[number - firstNumber].content = .ready(response)
    }

    func head(_ number: Int) -> HTTPRequestHead? { items[number - firstNumber].head }

    /// The next item to send, if it is ready.
    mutating func popReady() -> Item? {
        guard let first = items.first else { return nil }
        if case .awaited = first.content { return nil }
        firstNumber += 1
        headBytes -= first.headBytes
        return items.removeFirst()
    }

    /// How many requests will never be answered.
    mutating func removeAll() -> Int {
        let lost = items.count { if case .interim = $0.content { false } else { true } }
        firstNumber += items.count
        items = []
        headBytes = 0
        return lost
    }
}
