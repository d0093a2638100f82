import HTTP
import HTTPServer
import Pipeline

/// The answer that a request still has to get, and the memory that it has until then.
final class OTLPReply: Sendable {
    let exchange: HTTPExchange
    let head: HTTPRequestHead
    let memory: RequestMemory

    init(exchange: HTTPExchange, head: HTTPRequestHead, memory: RequestMemory) {
        self.exchange = exchange
        self.head = head
        self.memory = memory
    }

    func send(_ response: HTTPResponse) {
        memory.giveBackAll()
        exchange.respond(response)
    }
}
