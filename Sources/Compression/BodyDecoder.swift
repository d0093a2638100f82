/// A library that decodes whole bodies: every member or frame, to the end of the input.
protocol BodyDecoder: ~Copyable {
    /// The size that the input declares, if it declares one. It may lie.
    ///
    /// Throws what the outline of the input makes certain.
    mutating func declaredSize(of input: RawSpan, limit: Int) throws(DecompressionError) -> Int?

    /// Appends all that `input` holds to `output`, which has room for one byte at least.
    mutating func decode(_ input: RawSpan, into output: inout OutputSpan<UInt8>) -> DecodeOutcome

    /// Counts the bytes that `input` holds, or says what is wrong with it, in fixed memory.
    mutating func measure(
        _ input: RawSpan, through window: inout Window, limit: Int
    ) throws(DecompressionError) -> Int
}

enum DecodeOutcome {
    case complete
    /// The output is full before the end of the input. How much is missing is not known.
    case noRoom
    /// Corrupt or truncated: ``BodyDecoder/measure(_:through:limit:)`` knows which.
    case damaged
}
