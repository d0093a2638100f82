import HTTP
import HTTPServer
import Platform
import Testing

@Suite struct HTTPServerLimitTests {
    @Test func `Bodies beyond the budget get 503 with Retry-After, and hold nothing`() throws {
        let test = try TestServer(budget: 100)
        defer { test.stop() }
        let first = try test.connect()
        try first.post("/wait", String(repeating: "x", count: 90))
        let exchange = try test.handler.takeWaiting(1)[0]
        let second = try test.connect()
        try second.post("/echo", String(repeating: "y", count: 20))
        let refused = try second.answer()
        #expect(refused.status == 503)
        #expect(refused.head.contains("Retry-After: 1\r\n"))
        try second.post("/echo", "0123456789")
        #expect(try second.answer().body == "0123456789")
        exchange.respond(.text(.ok, "done"))
        #expect(try first.answer().body == "done")
        try second.post("/echo", String(repeating: "y", count: 20))
        #expect(try second.answer().status == 200)
        #expect(test.budget.used == 0)
    }

    @Test func `Half a body that goes over the budget is let go, and so is one cut off`() throws {
        let test = try TestServer(budget: 100)
        defer { test.stop() }
        let first = try test.connect()
        try first.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 150\r\n\r\n")
        try first.send(String(repeating: "x", count: 120))
        #expect(try first.answer().status == 503)
        try first.send(String(repeating: "x", count: 30))
        try first.post("/echo", "next")
        #expect(try first.answer().body == "next")

        var second: TestClient? = try test.connect()
        try second?.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 150\r\n\r\nabc")
        second = nil
        #expect(test.eventually { $0.closed == 1 })
        #expect(test.budget.used == 0)
    }

    @Test func `One connection too many is told so and closed`() throws {
        let test = try TestServer { $0.connectionsMax = 1 }
        defer { test.stop() }
        var first: TestClient? = try test.connect()
        try first?.post("/echo", "x")
        #expect(try first?.answer().status == 200)
        let second = try test.connect()
        let answer = try second.answer()
        #expect(answer.status == 503)
        #expect(answer.head.contains("Retry-After: 1"))
        #expect(try second.isAtEnd())
        #expect(test.eventually { $0.refused == 1 })
        first = nil
        #expect(test.eventually { $0.closed == 1 })
        let third = try test.connect()
        try third.post("/echo", "x")
        #expect(try third.answer().status == 200)
    }

    /// One that has had an answer, and asks for nothing.
    private func idleClient(of test: TestServer) throws -> TestClient {
        let client = try test.connect()
        try client.post("/echo", "x")
        #expect(try client.answer().status == 200)
        return client
    }

    /// Moves the clock and lets the loop look at it until the server has answered or closed.
    private func advance(_ test: TestServer, _ clock: ManualClock, by duration: Duration) {
        test.wake()
        clock.advance(by: duration)
        test.wake()
        test.wake()
    }

    @Test func `A head that doesn't end gets 408, however steadily it drips`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.readHeaderTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try test.connect()
        try client.send("POST /echo HTTP/1.1\r\n")
        #expect(test.eventually { $0.opened == 1 })
        for _ in 0..<4 {
            advance(test, clock, by: .seconds(3))
            // By the last of them the server may have closed already.
            try? client.send("a: b\r\n")
        }
        #expect(try client.answer().status == 408)
        #expect(try client.isAtEnd())
    }

    @Test func `A body that stalls gets 408 and gives its bytes back`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.bodyStallTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try idleClient(of: test)
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        while test.budget.used != 3 { test.wake() }
        advance(test, clock, by: .seconds(11))
        #expect(try client.answer().status == 408)
        #expect(test.budget.used == 0)
    }

    @Test func `A body that never stalls still has to end by the read timeout`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.readTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try test.connect()
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        for number in 1...4 {
            try client.send("x")
            while number < 4, test.budget.used != number { test.wake() }
            advance(test, clock, by: .seconds(3))
        }
        #expect(try client.answer().status == 408)
    }

    @Test func `An idle connection is closed without a word`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.idleTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try idleClient(of: test)
        advance(test, clock, by: .seconds(9))
        try client.post("/echo", "y")
        #expect(try client.answer().status == 200)
        advance(test, clock, by: .seconds(11))
        #expect(try client.isAtEnd())
    }

    @Test func `A request that comes when the idle time ends is answered, and the connection kept`()
        throws
    {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.idleTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try idleClient(of: test)
        try test.inOneTurn {
            try client.post("/echo", "y")
            clock.advance(by: .seconds(11))
        }
        #expect(try client.answer().body == "y")
        try client.post("/echo", "z")
        #expect(try client.answer().body == "z")
        advance(test, clock, by: .seconds(11))
        #expect(try client.isAtEnd())
    }

    @Test func `A timeout of zero never comes`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) {
            $0.idleTimeout = .zero
            $0.readHeaderTimeout = .zero
        }
        defer { test.stop() }
        let client = try test.connect()
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\n")
        #expect(test.eventually { $0.opened == 1 })
        advance(test, clock, by: .seconds(1_000_000))
        try client.send("Content-Length: 1\r\n\r\nx")
        #expect(try client.answer().body == "x")
    }

    @Test func `A request that waits for its answer has no timeout`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.idleTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/wait", "x")
        let exchange = try test.handler.takeWaiting(1)[0]
        advance(test, clock, by: .seconds(1000))
        exchange.respond(.text(.ok, "late"))
        #expect(try client.answer().body == "late")
    }

    @Test func `A pipeline that is full has no timeout either, also amid a body`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) {
            $0.pipelinedMax = 1
            $0.bodyStallTimeout = .seconds(10)
        }
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/wait")
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        let exchange = try test.handler.takeWaiting(1)[0]
        advance(test, clock, by: .seconds(1000))
        exchange.respond(.text(.ok, "first"))
        #expect(try client.answer().body == "first")
        try client.send("y")
        #expect(try client.answer().body == "xy")
    }

    @Test func `A client that doesn't take its answer is cut off`() throws {
        let clock = ManualClock()
        let test = try TestServer(clock: clock) { $0.writeTimeout = .seconds(10) }
        defer { test.stop() }
        let client = try test.connect()
        for _ in 0..<4 { try client.post("/big") }
        #expect(test.eventually { $0.records.count >= 1 })
        advance(test, clock, by: .seconds(11))
        #expect(test.eventually { $0.closed == 1 })
        _ = client
    }

    @Test func `Draining ends idle connections, and others with their last answer`() throws {
        let test = try TestServer()
        let idle = try test.connect()
        try idle.post("/echo", "x")
        #expect(try idle.answer().status == 200)
        let busy = try test.connect()
        try busy.post("/wait", "x")
        let exchange = try test.handler.takeWaiting(1)[0]
        test.server.stopAccepting()
        let drained = Monitor<Bool?>(nil)
        let thread = try Thread(name: "drain") {
            let result = test.server.drain(until: .now + .seconds(10))
            drained.withLock { $0 = result }
        }
        #expect(try idle.isAtEnd())
        exchange.respond(.text(.ok, "last"))
        let answer = try busy.answer()
        #expect(answer.body == "last")
        #expect(answer.head.contains("Connection: close"))
        #expect(try busy.isAtEnd())
        thread.join()
        // Both clients are still open on their side: the server does not wait for them for ever.
        #expect(drained.withLock { $0 } == true)
        #expect(throws: SystemError.self) { _ = try TestClient(test.address) }
        test.stop()
    }

    @Test func `Draining cuts at its deadline what is left, and counts it`() throws {
        let test = try TestServer()
        let client = try test.connect()
        try client.post("/wait", "x")
        let exchange = try test.handler.takeWaiting(1)[0]
        test.server.stopAccepting()
        #expect(!test.server.drain(until: .now + .milliseconds(20)))
        #expect(test.eventually { $0.lost == 1 })
        exchange.respond(.text(.ok, "too late"))
        #expect(try client.isAtEnd())
        test.stop()
    }
}
