import CYAML

/// A step through a YAML document, as libyaml sees it.
enum YAMLEvent {
    case documentStart
    case alias(String)
    case scalar(YAMLScalar, anchor: String?)
    case sequenceStart(anchor: String?)
    case mappingStart(anchor: String?)
    /// The end of the innermost sequence, mapping or document.
    case end
    case streamEnd
}

struct YAMLScalar {
    var value: String
    /// Written without quotes, so that its text decides its type.
    var isPlain: Bool
    /// `tag:yaml.org,2002:str` for `!!str`; nil where none is written.
    var tag: String?
}

/// Reads events from memory with libyaml's parser, which this value owns.
@safe struct YAMLEvents: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let file: String

    init(_ bytes: [UInt8], file: String) {
        // SAFETY: libyaml keeps a pointer to the text, so the text is copied to memory that lives
        // exactly as long as the parser. Initialising fails only when out of memory.
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = unsafe input.initialize(fromContentsOf: bytes)
        // Not inside the precondition: its closure would capture a self that is half made, which
        // Swift 6.3 compiles wrongly with optimisation for a ~Copyable type.
        let status = unsafe yaml_parser_initialize(parser)
        precondition(status == 1, "out of memory")
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
        unsafe self.parser = parser
        unsafe self.input = input
        self.file = file
    }

    deinit {
        // SAFETY: init made all three, and a value that can't be copied ends once.
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    /// The next event and where it starts. Not to be called again after `streamEnd` or an error.
    mutating func next() throws(YAMLError) -> (YAMLEvent, SourcePosition) {
        while true {
            // SAFETY: libyaml fills in the event if and only if it returns 1; the event's strings
            // are copied by `swiftEvent` before it is deleted.
            var event = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
            defer { unsafe yaml_event_delete(&event) }
            if let swiftEvent = unsafe swiftEvent(event) {
                return (swiftEvent, unsafe position(event.start_mark))
            }
        }
    }

    /// Nil for the start of the stream, which says nothing.
    private func swiftEvent(_ event: yaml_event_t) -> YAMLEvent? {
        // SAFETY: the member of the union that is read is the one of the event's type.
        switch unsafe event.type {
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_ALIAS_EVENT: return .alias(unsafe text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT: return unsafe scalarEvent(event)
        case YAML_SEQUENCE_START_EVENT:
            return .sequenceStart(anchor: unsafe text(event.data.sequence_start.anchor))
        case YAML_MAPPING_START_EVENT:
            return .mappingStart(anchor: unsafe text(event.data.mapping_start.anchor))
        case YAML_DOCUMENT_END_EVENT, YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .end
        case YAML_STREAM_END_EVENT: return .streamEnd
        default: return nil
        }
    }

    private func scalarEvent(_ event: yaml_event_t) -> YAMLEvent {
        // SAFETY: only called for scalars; libyaml has checked that the text is UTF-8, and gives
        // its length, as it may hold NUL.
        let scalar = unsafe event.data.scalar
        let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        let value = unsafe String(decoding: bytes, as: UTF8.self)
        let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
        return .scalar(
            YAMLScalar(value: value, isPlain: isPlain, tag: unsafe text(scalar.tag)),
            anchor: unsafe text(scalar.anchor))
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        // SAFETY: libyaml's anchors and tags are NUL-terminated, or absent.
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(decodingCString: pointer, as: UTF8.self)
    }

    private func position(_ mark: yaml_mark_t) -> SourcePosition {
        SourcePosition(file: file, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func syntaxError() -> YAMLError {
        // SAFETY: after a failed call `error` says which of the fields are set; the messages are
        // literals in libyaml.
        let error = unsafe parser.pointee.error
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) }
        if error == YAML_READER_ERROR {
            let offset = unsafe parser.pointee.problem_offset
            return YAMLError(
                position: position(ofByte: offset),
                message: "invalid YAML: \(problem ?? "the text can't be read"); use UTF-8")
        }
        let mark = unsafe parser.pointee.problem_mark
        let hint = hint(problem ?? "", at: Int(mark.index)).map { "; \($0)" } ?? ""
        let message = "invalid YAML: \(problem ?? "unknown error")"
        guard let context = unsafe parser.pointee.context.map({ unsafe String(cString: $0) }) else {
            return YAMLError(position: position(mark), message: message + hint)
        }
        let start = unsafe position(parser.pointee.context_mark)
        // A word that turns out to be no key is noticed on a later line; it is at fault itself.
        let place = context == "while scanning a simple key" ? start : position(mark)
        return YAMLError(
            position: place, message: "\(message) \(context) (line \(start.line))\(hint)")
    }

    /// What people most often did when libyaml says this.
    private func hint(_ problem: String, at index: Int) -> String? {
        switch problem {
        case "found character that cannot start any token":
            // SAFETY: `input` lives as long as self. The mark counts characters, which equal
            // bytes unless something else than ASCII came before: then this finds less.
            let bytes = unsafe input
            guard index < bytes.count else { return nil }
            return unsafe bytes[index] == UInt8(ascii: "\t")
                ? "indent with spaces, not tabs"
                : "put the value in quotes"
        case "mapping values are not allowed in this context":
            return "put a value that holds ': ' in quotes, or check the indentation"
        case "did not find expected key", "could not find expected ':'":
            return "check the indentation, and that each key ends with ':' and a space"
        case "did not find expected ',' or '}'", "did not find expected ',' or ']'":
            return "inside { } and [ ] put ${…} in quotes"
        default: return nil
        }
    }

    private func position(ofByte offset: Int) -> SourcePosition {
        var position = SourcePosition(file: file, line: 1, column: 1)
        // SAFETY: the prefix ends within `input`, which lives as long as self.
        for byte in unsafe Array(input.prefix(offset)) {
            if byte == UInt8(ascii: "\n") {
                position.line += 1
                position.column = 1
            } else if byte & 0xC0 != 0x80 {  // Continuation bytes are no characters.
                position.column += 1
            }
        }
        return position
    }
}
