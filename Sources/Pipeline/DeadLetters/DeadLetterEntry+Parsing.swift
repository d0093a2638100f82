import Bytes
import OTLP

extension DeadLetterEntry {
    /// Reads what stands beside the telemetry. The members may come in any order, as after a
    /// person's tools; unknown ones are passed over.
    ///
    /// - Parameter text: the line.
    /// - Returns: `false` for a line that is no letter.
    mutating func parse(_ text: RawSpan) -> Bool {
        var cursor = JSONCursor()
        var hasSignal = false
        do throws(JSONCursor.Fault) {
            try cursor.object(in: text) { cursor, name throws(JSONCursor.Fault) in
                switch name {
                case "time": time = try cursor.string(in: text)
                case "exporter": exporter = try cursor.string(in: text)
                case "pipeline": pipeline = try cursor.string(in: text)
                case "reason": reason = try cursor.string(in: text)
                case "items": itemCount = Int(clamping: try cursor.number(in: text))
                case "position": position = try Self.position(&cursor, text)
                case "otlp": content = .json(try cursor.skipValue(in: text))
                case "protobuf": content = .hexadecimal(try cursor.stringContent(in: text))
                case "signal":
                    let name = try cursor.string(in: text)
                    guard let known = Signal.allCases.first(where: { $0.name == name }) else {
                        throw JSONCursor.Fault()
                    }
                    signal = known
                    hasSignal = true
                default: _ = try cursor.skipValue(in: text)
                }
            }
            return hasSignal && content != nil && cursor.isAtEnd(of: text)
        } catch {
            return false
        }
    }

    private static func position(
        _ cursor: inout JSONCursor, _ text: RawSpan
    ) throws(JSONCursor.Fault) -> DeadLetter.Position {
        var position = DeadLetter.Position(epoch: (0, 0), number: 0, items: [])
        try cursor.object(in: text) { cursor, name throws(JSONCursor.Fault) in
            switch name {
            case "epoch":
                let epoch = try cursor.string(in: text)
                guard epoch.utf8.count == 32, let high = UInt64(epoch.prefix(16), radix: 16),
                    let low = UInt64(epoch.suffix(16), radix: 16)
                else { throw JSONCursor.Fault() }
                position.epochHigh = high
                position.epochLow = low
            case "number": position.number = try cursor.number(in: text)
            case "items":
                try cursor.array(in: text) { cursor throws(JSONCursor.Fault) in
                    position.items.append(Int(clamping: try cursor.number(in: text)))
                }
            default: _ = try cursor.skipValue(in: text)
            }
        }
        return position
    }
}
