import Bytes
public import OTLP

/// A letter as it stands in a file.
public struct DeadLetterEntry: Sendable {
    /// What cannot be sent again, because it is not telemetry any more.
    public struct Damage: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// When it was set aside, as RFC 3339 has it.
    public internal(set) var time = ""
    public internal(set) var exporter = ""
    public internal(set) var pipeline = ""
    public internal(set) var signal = Signal.traces
    public internal(set) var reason = ""
    public internal(set) var itemCount = 0
    public internal(set) var position: DeadLetter.Position?
    let line: [UInt8]
    /// Where the telemetry stands in the line.
    var content: Content?

    enum Content: Equatable {
        case json(ByteRange)
        /// Without the quotes.
        case hexadecimal(ByteRange)
    }

    /// Nil for a line that is no letter.
    init?(_ line: [UInt8]) {
        self.line = line
        guard parse(line.rawSpan) else { return nil }
    }

    /// The request in protobuf.
    public func payload() throws(Damage) -> [UInt8] {
        switch content {
        case .json(let range):
            do {
                let json = line.rawSpan.extracting(range.lowerBound..<range.upperBound)
                return try OTLPJSON.transcode(
                    json, as: signal, outputBytesMax: TelemetryIndex.payloadBytesMax
                ).protobuf
            } catch {
                throw Damage(description: "\(error)")
            }
        case .hexadecimal(let range):
            guard let bytes = decoded(range) else {
                throw Damage(description: "the payload is not in hexadecimal digits")
            }
            return bytes
        case nil: preconditionFailure("BUG: a letter without content was let through")
        }
    }

    private func decoded(_ digits: ByteRange) -> [UInt8]? {
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for offset in stride(from: digits.lowerBound, to: digits.upperBound, by: 2) {
            guard let high = Hexadecimal.value(lowercase: line[offset]),
                let low = Hexadecimal.value(lowercase: line[offset + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
