import Platform
import Synchronization
import Testing

@testable import EventLoop

@Suite struct EventLoopTests {
    @Test func `Deadlines come in order, moved, taken away and set again as a simple model says`() {
        var generator = SplitMix(state: 7)
        var heap = TimerHeap()
        var model: [Int: Instant] = [:]
        var now = Instant(nanoseconds: 0)
        for _ in 0..<20_000 {
            let slot = Int.random(in: 0..<50, using: &generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                let deadline = now + .nanoseconds(Int64.random(in: 0..<1000, using: &generator))
                heap.set(slot, deadline)
                model[slot] = deadline
            case 6..<8:
                heap.set(slot, nil)
                model[slot] = nil
            default:
                now = now + .nanoseconds(Int64.random(in: 0..<200, using: &generator))
                var expired: Set<Int> = []
                while let slot = heap.popExpired(at: now) { expired.insert(slot) }
                #expect(expired == Set(model.filter { $0.value <= now }.keys))
                model = model.filter { $0.value > now }
                if let next = model.values.min() { #expect(heap.next! <= next) }
            }
        }
    }

    @Test func `A registration's id is never that of another, though its slot is`() {
        let first = RegistrationID(slot: 3, generation: 1)
        let second = RegistrationID(slot: 3, generation: 2)
        #expect(first != second)
        #expect((second.slot, second.generation) == (3, 2))
        #expect(RegistrationID(rawValue: second.rawValue) == second)
    }

    @Test func `Jobs run on the loop's thread, in order`() throws {
        let loop = try EventLoop(name: "test")
        let order = Monitor<[Int]>([])
        for number in 0..<100 {
            loop.execute {
                precondition(loop.isCurrent)
                order.withLock { $0.append(number) }
                order.notifyAll()
            }
        }
        let result = order.wait(until: .now + .seconds(10)) { $0.count == 100 ? $0 : nil }
        #expect(result == Array(0..<100))
        #expect(!loop.isCurrent)
        loop.stop()
    }

    @Test func `What waits for the turn's end comes behind the turn's jobs, and may wait again`()
        throws
    {
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let waiter = Waiter(loop)
        // What is posted from the loop is taken together, in its next turn.
        loop.execute {
            loop.execute {
                waiter.note("first")
                loop.atTurnsEnd(waiter)
            }
            loop.execute { waiter.note("second") }
        }
        let result = waiter.notes.wait(until: .now + .seconds(10)) { $0.count == 4 ? $0 : nil }
        #expect(result == ["first", "second", "end", "end"])
    }

    @Test func `A timer fires once for what was set last, and never after it was closed`() throws {
        let loop = try EventLoop(name: "test")
        defer { loop.stop() }
        let fired = Monitor<[String]>([])
        @Sendable func note(_ name: String) {
            fired.withLock { $0.append(name) }
            fired.notifyAll()
        }
        loop.execute {
            let closed = LoopTimer(loop) { note("closed") }
            closed.set(loop.now)
            closed.close()
            let late = LoopTimer(loop) { note("late") }
            late.set(loop.now + .seconds(600))
            late.set(loop.now + .milliseconds(2))
            LoopTimer(loop) { note("early") }.set(loop.now)
        }
        let result = fired.wait(until: .now + .seconds(10)) { $0.count == 2 ? $0 : nil }
        #expect(result == ["early", "late"])
    }

    @Test func `Connecting ends with connected, and the peer's bytes come`() throws {
        let listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: false)
        let address = try listener.localAddress()
        let client = try Client(connectingTo: address)
        defer { client.loop.stop() }
        #expect(client.waits(for: ["connected"]))
        guard let accepted = try listener.accept() else {
            Issue.record("nobody has connected")
            return
        }
        let bytes: [UInt8] = [1, 2, 3]
        // SAFETY: bytes seen as bytes.
        try accepted.socket.sendAll(unsafe bytes.span.bytes, until: .now + .seconds(10))
        #expect(client.waits(for: ["connected", "bytes(3)"]))
        _ = consume accepted
        #expect(client.waits(for: ["connected", "bytes(3)", "end", "closed"]))
    }

    @Test func `Connecting to nobody ends with why`() throws {
        let listener = try Socket(listeningOn: .loopback(port: 0), sharingPort: false)
        let address = try listener.localAddress()
        _ = consume listener
        let client = try Client(connectingTo: address)
        defer { client.loop.stop() }
        #expect(client.waits(for: ["connect: Connection refused"]))
    }
}

/// Waits for the end of two turns.
private final class Waiter: TurnHandler, Sendable {
    let notes = Monitor<[String]>([])
    private let loop: EventLoop

    init(_ loop: EventLoop) { self.loop = loop }

    func turnEnds() {
        let count = notes.withLock { $0.count }
        note("end")
        if count == 2 { loop.atTurnsEnd(self) }
    }

    func note(_ text: String) {
        notes.withLock { $0.append(text) }
        notes.notifyAll()
    }
}

/// A connection that notes what it is told, and writes nothing.
private final class Client: ConnectionHandler, Sendable {
    let loop: EventLoop
    private let events = Monitor<[String]>([])

    init(connectingTo address: SocketAddress) throws {
        loop = try EventLoop(name: "test")
        loop.execute { [self] in
            do throws(SystemError) {
                _ = try Connection(connectingTo: address, loop: loop, handler: self)
            } catch {
                note(error.description)
            }
        }
    }

    func waits(for expected: [String]) -> Bool {
        events.wait(until: .now + .seconds(10)) { $0 == expected ? true : nil } ?? false
    }

    func connected(_ connection: Connection) { note("connected") }

    func readable(_ connection: Connection) {
        let received = loop.withReceiveBuffer { buffer in
            connection.receive(upTo: 16, appendingTo: &buffer)
        }
        note("\(received)")
        if received == .end { connection.close() }
    }

    func flushed(_ connection: Connection) {}
    func deadlinePassed(_ connection: Connection) {}
    func closed(_ connection: Connection) { note(connection.failure?.description ?? "closed") }

    private func note(_ event: String) {
        events.withLock { $0.append(event) }
        events.notifyAll()
    }
}

/// Random numbers that are the same in every run.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
