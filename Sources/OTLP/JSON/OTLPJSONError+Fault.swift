extension OTLPJSONError {
    /// The public form of a fault in `json`, which was read up to `position`.
    init(_ fault: CodecFault, at position: Int, in json: RawSpan, outputBytesMax: Int) {
        let offset = fault.problem == .outputLimit ? position : fault.offset
        let location = JSONLocation(of: offset, in: json)
        self.init(
            reason: Reason(fault, endsText: offset >= json.byteCount, outputBytesMax),
            offset: offset, line: location.line, column: location.column, path: location.path)
    }
}

extension OTLPJSONError.Reason {
    fileprivate init(_ fault: CodecFault, endsText: Bool, _ outputBytesMax: Int) {
        switch fault.problem {
        case .expected: self = .expected(fault.expectation)
        case .wrongType: self = .wrongType(fault.expectation)
        case .unexpectedEnd: self = .unexpectedEnd
        case .textAfterValue: self = .textAfterValue
        case .controlCharacter: self = .controlCharacter
        case .badEscape: self = .badEscape
        // A number that ends with the text was cut off, and may have been fine.
        case .badNumber: self = endsText ? .unexpectedEnd : .badNumber
        case .numberTooLong: self = .numberTooLong(bytesMax: JSONNumber.bytesMax)
        case .numberOutOfRange: self = .numberOutOfRange
        case .numberNotIntegral: self = .numberNotIntegral
        case .badHexDigit: self = .badHexDigit
        case .badBase64: self = .badBase64
        case .unknownEnumName: self = .unknownEnumName
        case .nullElement: self = .nullElement
        case .tooDeep: self = .tooDeep(limit: TelemetryIndex.valueDepthMax)
        case .outputLimit: self = .tooLarge(bytesMax: outputBytesMax)
        case .wire, .scattered: preconditionFailure("BUG: JSON is not on the wire")
        }
    }
}
