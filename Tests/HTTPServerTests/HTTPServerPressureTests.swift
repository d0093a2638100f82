import HTTP
import HTTPServer
import Platform
import Testing

/// What a server does when there is too little of something.
@Suite struct HTTPServerPressureTests {
    @Test(arguments: ["/small", "/refuse"])
    func `A refusal reaches a client that writes all of a large body first`(path: String) throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        let bytes = 8 << 20
        try client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(bytes)\r\n\r\n")
        try client.send([UInt8](repeating: 0x78, count: bytes))
        #expect(try client.answer().status == (path == "/small" ? 413 : 404))
        #expect(try client.isAtEnd())
    }

    @Test func `Who holds scarce memory and sends nothing is ended, and others are served`() throws
    {
        let clock = ManualClock()
        let test = try TestServer(budget: 1000, clock: clock)
        defer { test.stop() }
        let slow = try test.connect()
        try slow.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 960\r\n\r\n")
        try slow.send(String(repeating: "x", count: 950))
        while test.budget.used != 950 { test.wake() }
        let other = try test.connect()
        try other.post("/echo", String(repeating: "y", count: 100))
        #expect(try other.answer().status == 503)
        clock.advance(by: .seconds(3))
        test.wake()
        #expect(try slow.answer().status == 408)
        try other.post("/echo", String(repeating: "y", count: 100))
        #expect(try other.answer().status == 200)
        #expect(test.budget.used == 0)
    }

    @Test func `A refused body that drips is cut off without a second answer`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock)
        defer { test.stop() }
        let client = try test.connect()
        try client.send("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx")
        #expect(try client.answer().status == 404)
        test.wake()
        for _ in 0..<20 {
            clock.advance(by: .seconds(2))
            test.wake()
        }
        #expect(try client.isAtEnd())
    }

    @Test func `Heads have a ceiling, and give back what they had`() throws {
        let memory = PeerShares(ByteBudget(limit: 40_000))
        let test = try TestServer { $0.shared.connectionMemory = memory }
        defer { test.stop() }
        let field = "X: \(String(repeating: "a", count: 15_000))\r\n"
        var clients: [TestClient] = []
        for _ in 0..<2 {
            let client = try test.connect()
            try client.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)")
            clients.append(client)
        }
        while memory.budget.used < 30_000 { test.wake() }
        let third = try test.connect()
        try third.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)")
        let answer = try third.answer()
        #expect(answer.status == 503)
        #expect(answer.head.contains("Retry-After: 1"))
        // A usual head needs nothing of it.
        let usual = try test.connect()
        try usual.post("/echo", "x")
        #expect(try usual.answer().body == "x")
        try clients[0].send("Content-Length: 1\r\n\r\nx")
        #expect(try clients[0].answer().body == "x")
        clients = []
        #expect(test.eventually { $0.closed >= 2 })
        while memory.budget.used > 0 { test.wake() }
    }

    @Test func `An answer that is not taken is charged, and one too many ends its connection`()
        throws
    {
        let memory = PeerShares(ByteBudget(limit: 6 << 20))
        let test = try TestServer { $0.shared.connectionMemory = memory }
        defer { test.stop() }
        let clients = [try test.connect(), try test.connect(), try test.connect()]
        for client in clients {
            for _ in 0..<2 { try client.post("/big") }
        }
        #expect(test.eventually { $0.closed >= 1 })
        #expect(memory.budget.used <= 6 << 20)
    }

    @Test func `One that waits for its client makes room for another`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) {
            $0.connectionsMax = 3
            $0.evictionQuietMin = .seconds(5)
        }
        defer { test.stop() }
        let busy = try test.connect()
        try busy.post("/wait", "x")
        let exchange = try test.handler.takeWaiting(1)[0]
        let idle = try test.connect()
        try idle.post("/echo", "x")
        #expect(try idle.answer().status == 200)
        clock.advance(by: .seconds(4))
        test.wake()
        let young = try test.connect()
        try young.post("/echo", "x")
        #expect(try young.answer().status == 200)
        let refused = try test.connect()
        #expect(try refused.answer().status == 503)
        clock.advance(by: .seconds(2))
        test.wake()
        let next = try test.connect()
        try next.post("/echo", "y")
        #expect(try next.answer().body == "y")
        #expect(try idle.isAtEnd())
        exchange.respond(.text(.ok, "done"))
        #expect(try busy.answer().body == "done")
        try young.post("/echo", "z")
        #expect(try young.answer().body == "z")
        #expect(test.eventually { $0.evicted == 1 && $0.refused == 1 })
    }
}
