import EventLoop
import HTTP
import HTTPServer
import Platform
import Testing

@Suite struct HTTPServerTests {
    @Test func `A connection carries one request after the other`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        for number in 1...3 {
            try client.post("/echo", "body \(number)")
            let answer = try client.answer()
            #expect(answer.status == 200)
            #expect(answer.body == "body \(number)")
            #expect(answer.head.contains("\r\nDate: "))
        }
        #expect(test.eventually { $0.records.count == 3 && $0.opened == 1 })
        let record = test.counts.values.withLock { $0.records[0] }
        #expect(record.method == .post)
        #expect(record.route == "any")
        #expect((record.requestBytes, record.responseBytes) == (6, 6))
    }

    @Test func `A request that comes byte by byte is answered like any other`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        let request =
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        for byte in request.utf8 { try client.send([byte]) }
        #expect(try client.answer().body == "abcde")
    }

    @Test func `Pipelined requests are answered in order, whatever is ready first`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        for _ in 0..<3 { try client.post("/wait") }
        try client.post("/echo", "last")
        let exchanges = try test.handler.takeWaiting(3)
        for (number, exchange) in exchanges.enumerated().reversed() {
            exchange.respond(.text(.ok, "answer \(number)"))
        }
        for number in 0..<3 { #expect(try client.answer().body == "answer \(number)") }
        #expect(try client.answer().body == "last")
    }

    @Test func `More is pipelined than may wait, and all of it is answered`() throws {
        let test = try TestServer { $0.pipelinedMax = 2 }
        defer { test.stop() }
        let client = try test.connect()
        let one = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"
        try client.send(String(repeating: one, count: 9))
        var answered = 0
        while answered < 9 {
            let exchanges = try test.handler.takeWaiting(1)
            #expect(exchanges.count <= 2)
            for exchange in exchanges {
                exchange.respond(.text(.ok, "\(answered)"))
                #expect(try client.answer().body == "\(answered)")
                answered += 1
            }
        }
    }

    @Test(arguments: [
        ("/short", [Duration.microseconds(2), .microseconds(2)]),
        ("/long", [EventLoop.turnMax, EventLoop.turnMax]),
    ])
    func `Answers leave at the end of a turn, and of its longest time`(
        path: String, durations: [Duration]
    ) throws {
        let test = try TestServer(clock: ManualClock())
        defer { test.stop() }
        let clients = [try test.connect(), try test.connect()]
        #expect(test.eventually { $0.opened == 2 })
        try test.inOneTurn { for client in clients { try client.post(path) } }
        for client in clients { #expect(try client.answer().status == 200) }
        #expect(test.eventually { $0.records.map(\.duration) == durations })
    }

    @Test func `An exchange that was forgotten answers 500`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/forget")
        #expect(try client.answer().status == 500)
    }

    @Test func `100 Continue is sent in its turn, before the body`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/wait")
        try client.send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        try test.handler.takeWaiting(1)[0].respond(.text(.ok, "first"))
        #expect(try client.answer().body == "first")
        #expect(try client.answer().status == 100)
        try client.send("hello")
        #expect(try client.answer().body == "hello")
    }

    @Test func `A refused request is answered at once, and the connection goes on`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/refuse", "body")
        #expect(try client.answer().status == 404)
        try client.post("/small", "more than ten")
        #expect(try client.answer().status == 413)
        try client.post("/small", "few")
        #expect(try client.answer().body == "few")
    }

    @Test func `A malformed request is answered and ends the connection`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/echo", "good")
        try client.send("nonsense\r\n\r\n")
        #expect(try client.answer().body == "good")
        let answer = try client.answer()
        #expect(answer.status == 400)
        #expect(answer.head.contains("Connection: close"))
        #expect(try client.isAtEnd())
    }

    @Test func `An answer that says too large reaches a client that goes on sending`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        // More than the kernel's buffers take: without lingering this would end in a reset.
        try client.send([UInt8](repeating: 0x78, count: 900_000))
        try client.finishSending()
        #expect(try client.answer().status == 413)
        #expect(try client.isAtEnd())
    }

    @Test(arguments: [100_000, 5 << 20])
    func `A large body arrives whole, by length and by chunks`(count: Int) throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        let body = [UInt8](repeating: 0x78, count: count)
        try client.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n")
        try client.send(body)
        #expect(try client.answer().body == "\(count)")
        try client.send(
            "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + String(count, radix: 16) + "\r\n")
        try client.send(body)
        try client.send("\r\n0\r\n\r\n")
        #expect(try client.answer().body == "\(count)")
        #expect(test.budget.used == 0)
    }

    @Test(arguments: [false, true])
    func `Large and small bodies follow each other on one connection`(isPipelined: Bool) throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        let counts = [40_000, 40_000, 3, 40_000, 17_407, 17_408, 90_000, 0, 1_000, 65_536, 65_537]
        func expect(_ count: Int) throws {
            let answer = try client.answer()
            #expect(answer.body == String(repeating: "b", count: count))
        }
        for count in counts {
            try client.post("/echo", String(repeating: "b", count: count))
            if !isPipelined { try expect(count) }
        }
        if isPipelined { for count in counts { try expect(count) } }
    }

    @Test func `A large answer waits for a client that reads late`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/big")
        try client.post("/echo", "after")
        #expect(test.eventually { $0.records.count >= 1 })
        #expect(try client.answer().body.utf8.count == 4 << 20)
        #expect(try client.answer().body == "after")
    }

    @Test func `A client that has finished sending still gets its answers`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let client = try test.connect()
        try client.post("/wait")
        try client.post("/echo", "second")
        try client.finishSending()
        try test.handler.takeWaiting(1)[0].respond(.text(.ok, "first"))
        #expect(try client.answer().body == "first")
        #expect(try client.answer().body == "second")
        #expect(try client.isAtEnd())
    }

    @Test func `An answer for a connection that went away is dropped and counted`() throws {
        let test = try TestServer()
        defer { test.stop() }
        var client: TestClient? = try test.connect()
        try client?.post("/wait", "body")
        let exchange = try test.handler.takeWaiting(1)[0]
        #expect(test.budget.used == 4)
        client = nil
        // Whoever gets the descriptor next must not get the answer.
        let other = try test.connect()
        try other.post("/echo", "mine")
        exchange.respond(.text(.ok, "yours"))
        #expect(try other.answer().body == "mine")
        #expect(test.eventually { $0.closed == 1 })
        test.wake()
        #expect(test.budget.used == 0)
    }

    @Test func `HTTP 1.0 and a server without keep-alive close after the answer`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let old = try test.connect()
        try old.send("GET /echo HTTP/1.0\r\n\r\n")
        #expect(try old.answer().head.contains("Connection: close"))
        #expect(try old.isAtEnd())

        let brief = try TestServer { $0.keepsAlive = false }
        defer { brief.stop() }
        let client = try brief.connect()
        try client.post("/echo", "x")
        #expect(try client.answer().body == "x")
        #expect(try client.isAtEnd())
    }

    @Test(arguments: ["[::1]:0", "localhost:0", ":0"])
    func `Every bound address is served, by every loop`(endpoint: String) throws {
        let test = try TestServer(endpoints: [endpoint], loops: 2)
        defer { test.stop() }
        #expect(Set(test.server.boundAddresses.map(\.port)).count == 1)
        for address in test.server.boundAddresses {
            for _ in 0..<4 {
                let client = try TestClient(
                    endpoint == ":0" ? .loopback(port: address.port ?? 0) : address)
                try client.post("/echo", "x")
                #expect(try client.answer().body == "x")
            }
        }
    }

    @Test func `A Unix socket is served, and its file goes with the server`() throws {
        let path = "/tmp/sluice-http-\(CurrentProcess.id)-\(SystemRandom.bytes(4)[0]).sock"
        let test = try TestServer(endpoints: ["unix://\(path)"], loops: 2)
        for _ in 0..<4 {
            let client = try test.connect()
            try client.post("/echo", "x")
            #expect(try client.answer().body == "x")
        }
        #expect(throws: HTTPServerError.self) { try TestServer(endpoints: ["unix://\(path)"]) }
        test.stop()
        #expect(!FileSystem.exists(path))
    }

    @Test func `A port that is taken is refused, in words`() throws {
        let test = try TestServer()
        defer { test.stop() }
        let error = #expect(throws: HTTPServerError.self) {
            try TestServer(endpoints: [test.address.description])
        }
        #expect(error?.description.contains("Address already in use") == true)
    }
}
