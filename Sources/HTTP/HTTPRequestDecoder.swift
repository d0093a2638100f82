/// The server's side of an HTTP/1.1 or 1.0 connection as a pure state machine: bytes in, actions
/// out; no socket, no clock (RFC 9112).
///
/// Call `next` with what arrived until it has consumed all and says `.needMoreBytes`. After
/// `.decide` call `accept` or `refuse` before `next`. Pipelined requests come out one after the
/// other; to answer them in order is the caller's part.
public struct HTTPRequestDecoder {
    public enum Action: Sendable {
        case needMoreBytes
        /// A head is in. The caller says what happens to its body: `accept` or `refuse`.
        case decide(HTTPRequestHead)
        /// A request is whole.
        case handle(HTTPRequest)
        /// The bytes can't be read any further: answer, then close.
        case reject(HTTPRejection, HTTPRequestHead?)
        /// The body of a refused request is too long to be skipped: close, it was answered before.
        case close
    }

    public enum Acceptance: Hashable, Sendable {
        case proceed
        /// The client waits for `100 Continue` before it sends the body.
        case sendContinue
        /// The promised body is larger than allowed: refuse with 413.
        case tooLarge
    }

    /// What the connection is waiting for, for the choice of a timeout.
    public enum Phase: Hashable, Sendable {
        /// Between requests: not a byte of the next one is there.
        case idle
        case head
        case decision
        case body
        /// Nothing more will be read.
        case ended
    }

    private enum State {
        case head
        case deciding(HTTPRequestHead, HTTPFraming)
        case body(HTTPRequestHead, BodyReader)
        case skipping(BodyReader)
        case ended
    }

    /// A body's array starts at most this large, whatever its Content-Length promises. When so much
    /// has arrived, room for the rest is made at once, which costs one copy of this many bytes.
    static let bodyFirstStepBytes = 64 << 10

    private let limits: HTTPLimits
    private var state = State.head
    private var parser = HTTPHeadParser()
    /// Whether the connection goes on after the request that was decided on last.
    public private(set) var keepsAlive = true

    public init(limits: HTTPLimits = HTTPLimits()) { self.limits = limits }

    public var phase: Phase {
        switch state {
        case .head: parser.isAtStart ? .idle : .head
        case .deciding: .decision
        case .body, .skipping: .body
        case .ended: .ended
        }
    }

    /// The head of the request whose body is arriving.
    public var currentHead: HTTPRequestHead? {
        if case .body(let head, _) = state { head } else { nil }
    }

    /// Bytes of the unfinished body that are held now.
    public var bodyBytesHeld: Int {
        if case .body(_, let reader) = state { reader.bytes.count } else { 0 }
    }

    /// What the body that is arriving will have, where its length was announced; what it has so far
    /// where it was not. 0 where none is arriving.
    public var bodyBytesAnnounced: Int {
        guard case .body(_, let reader) = state else { return 0 }
        guard case .length(let remaining) = reader.rest else { return reader.bytes.count }
        return reader.bytes.count + remaining
    }

    /// What the head that is arriving, or whose body is, takes of memory, with its trailers.
    public var headBytesHeld: Int {
        switch state {
        case .head: parser.memoryBytes
        case .deciding: parser.finishedBytes
        case .body(_, let reader), .skipping(let reader):
            parser.finishedBytes + reader.trailerBytes
        case .ended: 0
        }
    }

    /// What the head of the request that was handed over last takes of memory.
    public var lastHeadBytes: Int { parser.finishedBytes }

    /// The request was answered; its body is read and thrown away.
    public var isSkipping: Bool { if case .skipping = state { true } else { false } }

    /// Consumes bytes from `offset` on, as far as the next action.
    public mutating func next(_ bytes: RawSpan, from offset: inout Int) -> Action {
        var head: HTTPRequestHead?
        do throws(HTTPRejection) {
            return try step(bytes, from: &offset, head: &head)
        } catch {
            let isSkipping = isSkipping
            end()
            return isSkipping ? .close : .reject(error, head)
        }
    }

    private mutating func step(
        _ bytes: RawSpan, from offset: inout Int, head: inout HTTPRequestHead?
    ) throws(HTTPRejection) -> Action {
        while true {
            switch state {
            case .head:
                head = try parser.parse(bytes, from: &offset, limits: limits)
                guard let head else { return .needMoreBytes }
                let framing = try HTTPFraming(head)
                keepsAlive = framing.keepsAlive
                state = .deciding(head, framing)
                return .decide(head)
            case .deciding:
                preconditionFailure("BUG: accept or refuse comes before next")
            case .body(let requestHead, var reader):
                head = requestHead
                // The state lets go of the body, so that it is appended to in place.
                state = .ended
                let isWhole = try reader.read(bytes, from: &offset, limits: limits)
                if isWhole { return finish(HTTPRequest(head: requestHead, body: reader.bytes)) }
                state = .body(requestHead, reader)
                return .needMoreBytes
            case .skipping(var reader):
                guard try reader.read(bytes, from: &offset, limits: limits) else {
                    state = .skipping(reader)
                    return .needMoreBytes
                }
                state = .head
            case .ended:
                offset = bytes.byteCount
                return .needMoreBytes
            }
        }
    }

    /// The request is wanted, with a body of at most `bodyBytesMax` bytes. After `.tooLarge` call
    /// `refuse`.
    public mutating func accept(bodyBytesMax: Int) -> Acceptance {
        guard case .deciding(let head, let framing) = state else {
            preconditionFailure("BUG: there is no head to accept")
        }
        if case .length(let length) = framing.body, length > bodyBytesMax { return .tooLarge }
        state = .body(
            head, BodyReader(framing.body, bytesMax: bodyBytesMax, isKept: true))
        return framing.expectsContinue ? .sendContinue : .proceed
    }

    /// The request is answered without its body, which is skipped when it is short. `keepsAlive`
    /// says afterwards whether the connection goes on.
    public mutating func refuse() {
        guard case .deciding(_, let framing) = state else {
            preconditionFailure("BUG: there is no head to refuse")
        }
        let skipMax = limits.skippedBodyBytesMax
        if framing.expectsContinue {
            // A client that was told no before it sent the body may or may not send it: there is
            // no telling where its next request begins.
            keepsAlive = false
        } else if case .length(let length) = framing.body, length > skipMax {
            keepsAlive = false
        }
        guard keepsAlive else { return end() }
        state = .skipping(BodyReader(framing.body, bytesMax: skipMax, isKept: false))
    }

    /// The request whose body is arriving is answered before its end; the rest of the body is
    /// skipped when it is short. `keepsAlive` says afterwards whether the connection goes on.
    public mutating func abandonBody() {
        guard case .body(_, let reader) = state else {
            preconditionFailure("BUG: there is no body to abandon")
        }
        if case .length(let remaining) = reader.rest, remaining > limits.skippedBodyBytesMax {
            keepsAlive = false
        }
        guard keepsAlive else { return end() }
        state = .skipping(reader.skipping(bytesMax: limits.skippedBodyBytesMax))
    }

    /// Reads nothing more.
    public mutating func end() {
        state = .ended
        parser = HTTPHeadParser()
        keepsAlive = false
    }

    /// How many of the next bytes belong to the body of known length: they may be received straight
    /// into it, past `next`, when that is worth a system call of its own.
    public var directBodyRoom: Int {
        guard case .body(_, let reader) = state, case .length(let remaining) = reader.rest else {
            return 0
        }
        return remaining
    }

    /// Lets `receive` append at most `directBodyRoom` bytes to the body; returns the request when
    /// that completed it.
    public mutating func receiveBody<Failure: Error>(
        _ receive: (inout [UInt8]) throws(Failure) -> Void
    ) throws(Failure) -> HTTPRequest? {
        guard case .body(let head, var reader) = state else {
            preconditionFailure("BUG: no body is expected")
        }
        state = .ended
        try reader.receive(receive)
        if reader.isWhole { return finish(HTTPRequest(head: head, body: reader.bytes)) }
        state = .body(head, reader)
        return nil
    }

    private mutating func finish(_ request: HTTPRequest) -> HTTPRequest {
        state = keepsAlive ? .head : .ended
        return request
    }

    private mutating func finish(_ request: HTTPRequest) -> Action {
        .handle(finish(request))
    }
}

/// A body on its way, kept or skipped.
private struct BodyReader {
    enum Rest {
        case length(Int)
        case chunked(HTTPChunkedDecoder)
    }

    private(set) var rest: Rest
    private(set) var bytes: [UInt8] = []
    private let isKept: Bool

    init(_ body: HTTPFraming.Body, bytesMax: Int, isKept: Bool) {
        self.isKept = isKept
        switch body {
        case .none: rest = .length(0)
        case .chunked: rest = .chunked(HTTPChunkedDecoder(bytesMax: bytesMax))
        case .length(let length):
            rest = .length(length)
            if isKept { bytes.reserveCapacity(min(length, HTTPRequestDecoder.bodyFirstStepBytes)) }
        }
    }

    /// The rest of this body, thrown away as it comes.
    func skipping(bytesMax: Int) -> BodyReader {
        var reader = BodyReader(.none, bytesMax: bytesMax, isKept: false)
        reader.rest = rest
        if case .chunked(var decoder) = rest {
            decoder.allow(bytesMax)
            reader.rest = .chunked(decoder)
        }
        return reader
    }

    var trailerBytes: Int {
        if case .chunked(let decoder) = rest { decoder.trailerBytes } else { 0 }
    }

    var isWhole: Bool {
        if case .length(0) = rest { true } else { false }
    }

    /// True when the body is whole.
    mutating func read(
        _ input: RawSpan, from offset: inout Int, limits: HTTPLimits
    ) throws(HTTPRejection) -> Bool {
        switch rest {
        case .length(let remaining):
            let count = min(remaining, input.byteCount - offset)
            makeRoom(for: count, of: remaining)
            if isKept { bytes.append(input.extracting(offset..<(offset + count))) }
            offset += count
            rest = .length(remaining - count)
            return isWhole
        case .chunked(var decoder):
            let isWhole = try decoder.decode(input, from: &offset, limits: limits) { piece in
                if isKept { bytes.append(piece) }
            }
            rest = .chunked(decoder)
            return isWhole
        }
    }

    mutating func receive<Failure: Error>(
        _ receive: (inout [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        guard case .length(let remaining) = rest else {
            preconditionFailure("BUG: only a body of known length is received directly")
        }
        let before = bytes.count
        makeRoom(for: 1, of: remaining)
        try receive(&bytes)
        let count = bytes.count - before
        precondition(count <= remaining, "BUG: the next request was received into a body")
        rest = .length(remaining - count)
    }

    /// When the first step is full, room for all the rest: pages cost nothing before they are
    /// touched, and the client has shown that it means it.
    private mutating func makeRoom(for count: Int, of remaining: Int) {
        guard isKept, bytes.count + count > bytes.capacity else { return }
        bytes.reserveCapacity(bytes.count + remaining)
    }
}
