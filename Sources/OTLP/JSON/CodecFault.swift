/// A fault as the codec throws it: one word, so that the calls on the hot path return it in a
/// register. The path and the line are found afterwards, when they are worth their cost.
struct CodecFault: Error {
    enum Problem: UInt8 {
        case expected, wrongType
        case unexpectedEnd, textAfterValue, controlCharacter, badEscape
        case badNumber, numberTooLong, numberOutOfRange, numberNotIntegral
        case badHexDigit, badBase64, unknownEnumName, nullElement, tooDeep
        /// The output would come to exceed its limit.
        case outputLimit
        /// The input is no protobuf; whoever read it keeps the `WireError`.
        case wire
        /// A field of the input comes where it cannot be written as it is read.
        case scattered
    }

    /// From the lowest byte: the problem, the expectation, six bytes of offset.
    private let bits: UInt64

    init(_ problem: Problem, at offset: Int) {
        bits = UInt64(truncatingIfNeeded: offset) << 16 | UInt64(problem.rawValue)
    }

    init(expected what: OTLPJSONError.Expectation, at offset: Int) {
        bits =
            UInt64(truncatingIfNeeded: offset) << 16 | UInt64(what.rawValue) << 8
            | UInt64(Problem.expected.rawValue)
    }

    init(wrongType what: OTLPJSONError.Expectation, at offset: Int) {
        bits =
            UInt64(truncatingIfNeeded: offset) << 16 | UInt64(what.rawValue) << 8
            | UInt64(Problem.wrongType.rawValue)
    }

    /// Offset in the input.
    var offset: Int { Int(truncatingIfNeeded: bits >> 16) }

    var problem: Problem {
        guard let problem = Problem(rawValue: UInt8(truncatingIfNeeded: bits)) else {
            preconditionFailure("BUG: a fault was built from something else")
        }
        return problem
    }

    /// What stood to be expected; of meaning for `.expected` and `.wrongType` alone.
    var expectation: OTLPJSONError.Expectation {
        OTLPJSONError.Expectation(rawValue: UInt8(truncatingIfNeeded: bits >> 8)) ?? .object
    }

    /// The same fault elsewhere.
    func moved(to offset: Int) -> CodecFault { CodecFault(problem, at: offset) }
}
