// libFuzzer target for HTTP's request decoder: whatever the bytes, the outcome doesn't depend on
// where the pieces end, bodies stay within their limit, and nothing crashes. The decoder is
// compiled into the fuzzer's module, for its internal parts: see scripts/fuzz.

private let bodyBytesMax = 300

/// What the decoder did, to be compared.
private enum Event: Equatable {
    case head(HTTPRequestHead, HTTPRequestDecoder.Acceptance?)
    case request(HTTPRequest)
    case rejection(HTTPRejection)
    case close
}

private struct Run {
    var decoder: HTTPRequestDecoder
    var events: [Event] = []

    init() {
        // Small, so that short inputs reach them.
        var limits = HTTPLimits()
        limits.requestLineBytesMax = 64
        limits.headBytesMax = 256
        limits.headerCountMax = 8
        limits.chunkExtensionBytesMax = 32
        limits.skippedBodyBytesMax = 100
        decoder = HTTPRequestDecoder(limits: limits)
    }

    mutating func feed(_ bytes: RawSpan) {
        var offset = 0
        while true {
            let before = offset
            let action = decoder.next(bytes, from: &offset)
            precondition(
                offset >= before && offset <= bytes.byteCount,
                "BUG: the offset went astray")
            switch action {
            case .needMoreBytes:
                precondition(offset == bytes.byteCount, "BUG: bytes were left behind")
                precondition(decoder.bodyBytesHeld <= bodyBytesMax, "BUG: the body is too large")
                return
            case .decide(let head): decide(head)
            case .handle(let request):
                precondition(request.body.count <= bodyBytesMax, "BUG: the body is too large")
                events.append(.request(request))
            case .reject(let rejection, _): events.append(.rejection(rejection))
            case .close: events.append(.close)
            }
        }
    }

    /// Refuses by the path, so that inputs choose.
    private mutating func decide(_ head: HTTPRequestHead) {
        _ = HTTPTarget(head.target).queryItems
        if head.path.utf8.count % 4 == 3 {
            decoder.refuse()
            events.append(.head(head, nil))
            return
        }
        let acceptance = decoder.accept(bodyBytesMax: bodyBytesMax)
        if acceptance == .tooLarge { decoder.refuse() }
        events.append(.head(head, acceptance))
    }
}

private func events(_ input: RawSpan, piecesOf size: Int) -> [Event] {
    var run = Run()
    var start = 0
    while start < input.byteCount {
        let end = min(start + size, input.byteCount)
        run.feed(input.extracting(start..<end))
        start = end
    }
    return run.events
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTP(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // SAFETY: libFuzzer passes `count` bytes, which live during the call.
    let buffer = unsafe UnsafeRawBufferPointer(start: start, count: count)
    let input = unsafe buffer.bytes
    let whole = events(input, piecesOf: max(count, 1))
    // One byte at a time, and a size that differs between inputs.
    for size in [1, 2 + count % 61] {
        precondition(
            events(input, piecesOf: size) == whole, "BUG: pieces of \(size) are read differently")
    }
    return 0
}
