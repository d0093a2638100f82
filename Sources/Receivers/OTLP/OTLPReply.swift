import HTTP
import HTTPServer
import Platform
import Synchronization

/// The answer that a request still has to get, and the room that it takes until then.
final class OTLPReply: Sendable {
    let exchange: HTTPExchange
    let head: HTTPRequestHead
    private let budget: ByteBudget
    private let reservedBytes = Atomic<Int>(0)

    init(exchange: HTTPExchange, head: HTTPRequestHead, budget: ByteBudget) {
        self.exchange = exchange
        self.head = head
        self.budget = budget
    }

    deinit { releaseReserved() }

    /// Takes room for what a body holds after decompression.
    func reserve(_ bytes: Int) -> Bool {
        guard budget.reserve(bytes) else { return false }
        reservedBytes.add(bytes, ordering: .relaxed)
        return true
    }

    func releaseReserved() {
        let bytes = reservedBytes.exchange(0, ordering: .relaxed)
        if bytes > 0 { budget.release(bytes) }
    }

    func send(_ response: HTTPResponse) {
        releaseReserved()
        exchange.respond(response)
    }
}
