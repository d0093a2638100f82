import Glibc
import Synchronization
import Testing

@testable import Platform

@Suite struct EndpointTests {
    @Test(arguments: [
        ("localhost:4318", ["127.0.0.1:4318", "[::1]:4318"]),
        ("127.0.0.1:0", ["127.0.0.1:0"]),
        ("[::1]:80", ["[::1]:80"]),
        (":4318", ["[::]:4318"]),
        ("0.0.0.0:65535", ["0.0.0.0:65535"]),
        ("unix:///run/a b.sock", ["unix:///run/a b.sock"]),
        ("unix:relative", ["unix://relative"]),
        ("[2001:db8::ff00:42:8329]:1", ["[2001:db8::ff00:42:8329]:1"]),
    ])
    func `An endpoint is read as people write it`(text: String, addresses: [String]) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(try endpoint.listenAddresses().map(\.description) == addresses)
    }

    @Test(arguments: [
        "", "localhost", "localhost:", "a:65536", "a:-1", "a:+1", "a:1x", "::1:80", "[::1:80",
        "[]:80", "unix://", "unix:", "unix://" + String(repeating: "x", count: 108),
        "http://0.0.0.0:4318", "https://localhost",
    ])
    func `A malformed endpoint is refused in words`(text: String) {
        #expect(throws: EndpointError.self) { try Endpoint(parsing: text) }
    }
}

@Suite struct TimeTests {
    @Test func `Instants saturate instead of overflowing`() {
        #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
        #expect(Instant(nanoseconds: 5) + .nanoseconds(-6) == Instant(nanoseconds: 0))
        #expect(Instant(nanoseconds: 5) - Instant(nanoseconds: 7) == .nanoseconds(-2))
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    }

    @Test func `A poll timeout is rounded up and never negative`() {
        let start = Instant(nanoseconds: 1_000_000_000)
        #expect((start + .nanoseconds(1)).pollTimeout(from: start) == 1)
        #expect((start + .milliseconds(2)).pollTimeout(from: start) == 2)
        #expect(start.pollTimeout(from: start) == 0)
        #expect((start + .seconds(-1)).pollTimeout(from: start) == 0)
        #expect(Instant.distantFuture.pollTimeout(from: start) == 86_400_000)
    }

    @Test func `A manual clock moves when it is told to`() {
        let clock = ManualClock()
        let (now, wall) = (clock.now, clock.unixNanoseconds)
        clock.advance(by: .seconds(2))
        #expect(clock.now - now == .seconds(2))
        #expect(clock.unixNanoseconds - wall == 2_000_000_000)
    }
}

@Suite struct ConcurrencyTests {
    @Test func `A thread runs its body and can be joined twice`() throws {
        let result = Monitor(0)
        let thread = try Thread(name: "a name longer than fifteen bytes") {
            result.withLock { $0 = 7 }
        }
        thread.join()
        thread.join()
        #expect(result.withLock { $0 } == 7)
    }

    @Test func `A monitor's waiter is woken by a change, and gives up at its deadline`() throws {
        let state = Monitor(0)
        let thread = try Thread(name: "waker") {
            state.withLock { $0 = 1 }
            state.notifyAll()
        }
        #expect(state.wait { $0 == 1 ? "woken" : nil } == "woken")
        #expect(state.wait(until: .now + .milliseconds(5)) { $0 == 2 ? "woken" : nil } == nil)
        thread.join()
    }

    // Where threads contend, a mutex takes paths that ThreadSanitizer knows of through Tests/tsan.
    @Test func `ThreadSanitizer sees what a contended mutex orders`() throws {
        let sum = Mutex(0)
        let ready = Monitor(0)
        let threads = try (0..<4).map { number in
            try Thread(name: "mutex-\(number)") {
                ready.withLock { $0 += 1 }
                ready.notifyAll()
                _ = ready.wait { $0 == 4 ? true : nil }
                for _ in 0..<1000 {
                    sum.withLock { sum in
                        sum += 1
                        // The others come meanwhile, and find it locked.
                        sched_yield()
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(sum.withLock { $0 } == 4000)
    }

    @Test func `A mailbox keeps the order, and refuses when it is full`() throws {
        let mailbox = try Mailbox<Int>(messagesMax: 3)
        #expect((1...4).map { mailbox.post($0) } == [true, true, true, false])
        #expect(mailbox.takeAll() == [1, 2, 3])
        #expect(mailbox.takeAll() == [])
        #expect(mailbox.post(5))
        #expect(mailbox.takeAll() == [5])
    }

    @Test func `In a pool peers have their turns, and one with few jobs is let in`() throws {
        let pool = try WorkerPool(name: "test", threads: 1, waitingMax: 8)
        let gate = Monitor(false)
        let order = Monitor<[UInt32]>([])
        func submit(_ peer: UInt32) -> Bool {
            pool.submit(for: .ipv4(peer)) {
                _ = gate.wait { $0 ? true : nil }
                order.withLock { $0.append(peer) }
            }
        }
        #expect(submit(0))
        while pool.waitingCount > 0 {}
        #expect((0..<9).map { _ in submit(1) } == Array(repeating: true, count: 8) + [false])
        #expect(submit(2))
        #expect(!submit(2))
        #expect(submit(3))
        gate.withLock { $0 = true }
        gate.notifyAll()
        #expect(pool.drain(until: .now + .seconds(10)))
        #expect(order.withLock { $0 } == [0, 1, 2, 3, 1, 1, 1, 1, 1, 1, 1])
        pool.stop()
    }

    @Test func `A pool refuses beyond its queue, drains, and finishes what it took`() throws {
        let pool = try WorkerPool(name: "test", threads: 1, waitingMax: 2)
        let gate = Monitor(false)
        let done = Monitor(0)
        let started = Monitor(false)
        let job: WorkerPool.Job = {
            started.withLock { $0 = true }
            started.notifyAll()
            _ = gate.wait { $0 ? true : nil }
            done.withLock { $0 += 1 }
        }
        #expect(pool.submit(job))
        _ = started.wait { $0 ? true : nil }
        #expect([pool.submit(job), pool.submit(job), pool.submit(job)] == [true, true, false])
        #expect(!pool.drain(until: .now + .milliseconds(5)))
        gate.withLock { $0 = true }
        gate.notifyAll()
        #expect(pool.drain(until: .now + .seconds(10)))
        #expect(done.withLock { $0 } == 3)
        pool.stop()
        #expect(!pool.submit(job))
    }

    @Test func `A budget is never overdrawn, also by many threads`() throws {
        let budget = ByteBudget(limit: 100)
        #expect(budget.reserve(60))
        #expect(!budget.reserve(41))
        #expect(budget.reserve(40))
        budget.release(100)
        let threads = try (0..<4).map { number in
            try Thread(name: "budget-\(number)") {
                for _ in 0..<10_000 where budget.reserve(30) {
                    precondition(budget.used <= 100)
                    budget.release(30)
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(budget.used == 0)
        #expect(!ByteBudget(limit: 5).reserve(.max))
    }

    @Test func `A budget says what it has refused for now, and what for good`() throws {
        let budget = ByteBudget(limit: 100)
        try budget.reserve(60, besides: 0)
        #expect(throws: ByteBudget.Shortage.later) { try budget.reserve(41, besides: 0) }
        #expect(throws: ByteBudget.Shortage.never(limit: 100)) {
            try budget.reserve(41, besides: 60)
        }
        #expect(throws: ByteBudget.Shortage.never(limit: 100)) {
            try budget.reserve(.max, besides: 60)
        }
        #expect(budget.refusals == (later: 1, never: 2))
        #expect((budget.used, budget.highest) == (60, 60))
    }

    @Test func `A budget knows since when it has been full`() {
        let budget = ByteBudget(limit: 160)
        #expect(budget.reserve(149) && budget.fullSince == nil)
        #expect(budget.reserve(1))
        let since = budget.fullSince
        #expect(since != nil && budget.reserve(10) && budget.fullSince == since)
        budget.release(10)
        #expect(budget.fullSince == since)
        budget.release(1)
        #expect(budget.fullSince == nil)
    }
}

@Suite struct SocketTests {
    @Test(arguments: [SocketAddress.loopback(port: 0), .loopback6(port: 0)])
    func `Bytes travel between two sockets until the end`(address: SocketAddress) throws {
        let listener = try Socket(listeningOn: address, sharingPort: false)
        let deadline = Instant.now + .seconds(10)
        let client = try Socket(connectedTo: listener.localAddress(), until: deadline)
        _ = try listener.descriptor.wait(for: 1, until: deadline)
        guard let accepted = try listener.accept() else {
            Issue.record("there is no connection to accept")
            return
        }
        let (peer, local) = (accepted.peer, try client.localAddress())
        #expect(peer == local)
        let server = accepted.takeSocket()
        // SAFETY: views of bytes as bytes, which the arrays outlive.
        let (hello, world) = (Array("hello ".utf8), Array("world".utf8))
        let sent = try client.send(unsafe hello.span.bytes, unsafe world.span.bytes)
        #expect(sent == 11)
        try client.finishSending()
        var received: [UInt8] = []
        while try server.receive(upTo: 4, appendingTo: &received, until: deadline) > 0 {}
        #expect(received == hello + world)
    }

    @Test func `A refused connection and a silent peer are typed errors`() throws {
        let listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: false)
        let address = try listener.localAddress()
        let client = try Socket(connectedTo: address, until: .now + .seconds(10))
        var buffer: [UInt8] = []
        do throws(SystemError) {
            _ = try client.receive(upTo: 1, appendingTo: &buffer, until: .now + .milliseconds(5))
            Issue.record("a silent peer sent something")
        } catch {
            #expect(error.isTimeout)
        }
        let isStale = client.isStale()
        #expect(!isStale)
        try listener.takeDescriptor().close()
        #expect(throws: SystemError.self) {
            _ = try Socket(connectedTo: address, until: .now + .seconds(10))
        }
    }

    @Test func `An address that somebody listens on is not free, with a shared port either`() throws
    {
        let listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: true)
        let address = try listener.localAddress()
        let error = #expect(throws: SystemError.self) { try Socket.checkFree(address) }
        #expect(error?.isAddressInUse == true)
        _ = try Socket(listeningOn: address, sharingPort: true)
    }
}

@Suite struct FileTests {
    @Test func `A file is replaced whole, and read back up to a limit`() throws {
        try withScratch { directory in
            try FileSystem.makeDirectory(directory)
            let path = directory + "/file"
            try FileSystem.replace(path, with: Array("one".utf8))
            try FileSystem.replace(path, with: Array("three".utf8))
            #expect(try FileSystem.read(path, bytesMax: 5) == Array("three".utf8))
            let error = #expect(throws: SystemError.self) {
                try FileSystem.read(path, bytesMax: 4)
            }
            #expect(error?.description == "read: File too large")
            #expect(try FileSystem.list(directory) == ["file"])
        }
    }

    @Test func `A locked file can't be locked again`() throws {
        try withScratch { directory in
            let path = directory + "/lock"
            let first = try FileDescriptor(opening: path, .readWrite, creating: .ifMissing)
            let second = try FileDescriptor(opening: path, .readWrite)
            let locked = (try first.tryLock(), try second.tryLock())
            #expect(locked == (true, false))
        }
    }

    @Test func `The machine and the process say what they have`() {
        #expect(Machine.processorCount >= 1)
        #expect(Machine.memoryLimitBytes > 1 << 20)
        #expect(CurrentProcess.residentBytes > 1 << 20)
        #expect(!Machine.hostName.isEmpty)
        #expect(SystemRandom.bytes(16) != SystemRandom.bytes(16))
    }

    @Test func `The tightest memory limit of the control groups counts`() throws {
        try withScratch { root in
            func write(_ path: String, _ text: String) throws {
                try FileSystem.makeDirectory(FileSystem.parent(of: root + path))
                try FileSystem.replace(root + path, with: Array(text.utf8))
            }
            try write("/proc/self/cgroup", "4:cpu,memory:/x\n0::/a/b\n")
            try write("/sys/fs/cgroup/a/b/memory.max", "max\n")
            try write("/sys/fs/cgroup/a/memory.max", "300\n")
            try write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
            #expect(ControlGroup.memoryLimitBytes(root: root) == 300)
            try write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "200\n")
            #expect(ControlGroup.memoryLimitBytes(root: root) == 200)
        }
    }
}

@Suite struct CancellationTests {
    @Test func `A wait ends at its deadline although the descriptor is ready`() throws {
        try withScratch { directory in
            // A file always is.
            let file = try FileDescriptor(
                opening: "\(directory)/file", .readWrite, creating: .always)
            let cancellation = try Cancellation()
            func outcome(until deadline: Instant) throws -> Cancellation.Outcome {
                try cancellation.wait(for: CInt(POLLIN), on: file.rawValue, until: deadline)
            }
            #expect(try outcome(until: .now + .seconds(60)) == .ready)
            #expect(try outcome(until: .now) == .timedOut)
            cancellation.cancel()
            #expect(try outcome(until: .now + .seconds(60)) == .cancelled)
            #expect(try outcome(until: .now) == .cancelled)
        }
    }
}
