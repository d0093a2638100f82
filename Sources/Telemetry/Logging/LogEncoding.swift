import Platform

/// How a line looks. The names are those of `service.telemetry.logs.encoding`.
public enum LogEncoding: Sendable {
    /// For a person at a terminal; the Collector's name for it is `console`.
    case text
    case json

    public init?(name: String) {
        switch name {
        case "text", "console": self = .text
        case "json": self = .json
        default: return nil
        }
    }
}

/// What one line says, in the order in which it is written.
struct LogRecord {
    let unixNanoseconds: UInt64
    let level: LogLevel
    let message: String
    let fields: [(key: String, value: LogValue)]
}

/// Turns records into lines: bounded, on one line whatever they contain, newline at the end.
struct LogLineWriter {
    /// `PIPE_BUF` on Linux: a write up to this size to a pipe is never mixed with another's.
    static let lineBytesMax = 4_096
    /// One value, escaped. The rest of it is cut, and `…` stands in its place.
    static let valueBytesMax = 1_024
    /// The column at which fields start in `text`, when the message leaves room.
    private static let messageColumns = 40
    /// Room for the closing of a line that lost fields.
    private static let closingBytesMax = 32

    let encoding: LogEncoding

    func line(_ record: LogRecord) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        switch encoding {
        case .text: startText(record, line: &line)
        case .json: startJSON(record, line: &line)
        }
        var isCut = false
        for (key, value) in record.fields {
            let field = encode(key: key, value: value)
            guard line.count + field.count <= Self.lineBytesMax - Self.closingBytesMax else {
                isCut = true
                break
            }
            line += field
        }
        if isCut { line += encode(key: "line_truncated", value: .boolean(true)) }
        if encoding == .json { line.append(UInt8(ascii: "}")) }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    private func startText(_ record: LogRecord, line: inout [UInt8]) {
        let time = CivilTime(unixNanoseconds: record.unixNanoseconds)
        line += Array(time.rfc3339Milliseconds.utf8)
        let level = record.level.name.uppercased()
        line += Array(" \(level)\(level.utf8.count < 5 ? " " : "") ".utf8)
        let start = line.count
        EscapedText.append(record.message, bytesMax: Self.valueBytesMax, to: &line)
        let width = line.count - start
        if width < Self.messageColumns, !record.fields.isEmpty {
            line += [UInt8](repeating: UInt8(ascii: " "), count: Self.messageColumns - width)
        }
    }

    private func startJSON(_ record: LogRecord, line: inout [UInt8]) {
        line += Array(#"{"time":""#.utf8)
        let time = CivilTime(unixNanoseconds: record.unixNanoseconds)
        line += Array(time.rfc3339Milliseconds.utf8)
        line += Array(#"","level":""#.utf8)
        line += Array(record.level.name.utf8)
        line += Array(#"","message":""#.utf8)
        EscapedText.append(record.message, bytesMax: Self.valueBytesMax, to: &line)
        line.append(UInt8(ascii: "\""))
    }

    private func encode(key: String, value: LogValue) -> [UInt8] {
        var field: [UInt8] = []
        switch encoding {
        case .text:
            field += Array(" \(key)=".utf8)
        case .json:
            field += Array(",\"\(key)\":".utf8)
        }
        switch value {
        case .string(let string): append(string: string, to: &field)
        case .integer(let number): field += Array(String(number).utf8)
        case .unsigned(let number): field += Array(String(number).utf8)
        case .boolean(let flag): field += Array((flag ? "true" : "false").utf8)
        case .double(let number): append(double: number, to: &field)
        case .duration(let duration): append(double: duration.seconds, to: &field)
        }
        return field
    }

    private func append(string: String, to field: inout [UInt8]) {
        let isQuoted = encoding == .json || EscapedText.needsQuotes(string)
        if isQuoted { field.append(UInt8(ascii: "\"")) }
        EscapedText.append(string, bytesMax: Self.valueBytesMax, to: &field)
        if isQuoted { field.append(UInt8(ascii: "\"")) }
    }

    /// JSON has no NaN and no infinity: there they are strings.
    private func append(double: Double, to field: inout [UInt8]) {
        if double.isFinite || encoding == .text {
            field += Array("\(double)".utf8)
        } else {
            field += Array("\"\(double)\"".utf8)
        }
    }
}
