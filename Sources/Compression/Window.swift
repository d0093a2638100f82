/// The fixed memory in which a body whose size is not known is tried and measured. It is allocated
/// with the first such body.
@safe struct Window: ~Copyable {
    /// Enough for the usual batch of 512 spans, so that most bodies are decoded once.
    static let bytes = 256 << 10

    // SAFETY: either empty or an allocation of `bytes` bytes that this value alone owns.
    private var storage = unsafe UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)

    init() {}

    deinit {
        unsafe storage.deallocate()
    }

    /// Decodes a whole body into the window. Returns its size, or `nil` if that did not work out.
    mutating func decode(
        _ input: RawSpan, _ decoder: inout some BodyDecoder & ~Copyable
    ) -> Int? {
        // SAFETY: `allocated()` has `bytes` writable bytes, trivially initialised or not, which
        // nobody else refers to while this value is exclusively borrowed.
        var output = unsafe OutputSpan(buffer: allocated(), initializedCount: 0)
        let outcome = decoder.decode(input, into: &output)
        return outcome == .complete ? output.count : nil
    }

    /// The first `count` bytes of the window, which ``decode(_:_:)`` has just written.
    func copy(_ count: Int) -> [UInt8] {
        // SAFETY: `decode` returned `count`, so that as many bytes are initialised.
        unsafe [UInt8](storage[..<count])
    }

    /// Lends all bytes of the window to a library that writes to it.
    mutating func withBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableBufferPointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(allocated())
    }

    private mutating func allocated() -> UnsafeMutableBufferPointer<UInt8> {
        if unsafe storage.isEmpty { unsafe storage = .allocate(capacity: Self.bytes) }
        return unsafe storage
    }
}
