import Bytes
import OTLP
import Platform

/// A dead letter as a line of its file: one JSON object, then 0x0A.
///
///     {"time":"2026-11-20T16:40:38.123456789Z","exporter":"otlphttp/backup",
///      "pipeline":"traces","signal":"traces","reason":"…","items":2,
///      "position":{"epoch":"32 hex digits","number":123,"items":[4,5]},
///      "otlp":{"resourceSpans":[…]}}
///
/// - `time` is when it was set aside; `items` counts spans, data points or log records.
/// - `position` is left out for what was in no log. Its `items` are indices within the record.
/// - `otlp` is the request in OTLP/JSON. Fields that OTLP does not have are not in it.
/// - `protobuf`, in place of `otlp`, is the request's protobuf in hexadecimal digits: of what JSON
///   cannot carry, and of what must not be looked into.
enum DeadLetterLine {
    /// More JSON than that is for no reader; its protobuf takes a fraction.
    static let jsonBytesMax = 16 << 20
    /// The largest payload in hexadecimal digits, and what stands beside it.
    static let bytesMax = 2 * TelemetryIndex.payloadBytesMax + 16 << 20

    /// What writing a letter takes: its JSON is written and read back, or it is in hexadecimal.
    static func workBytes(_ letter: DeadLetter) -> Int {
        max(4 * min(letter.payload.count, jsonBytesMax), 2 * letter.payload.count)
    }

    static func append(_ letter: DeadLetter, at unixNanoseconds: UInt64, to output: inout [UInt8]) {
        let time = CivilTime(unixNanoseconds: unixNanoseconds).rfc3339
        var text = "{\"time\":\"\(time)\""
        text += ",\"exporter\":\(OTLPJSON.quoted(letter.exporter))"
        text += ",\"pipeline\":\(OTLPJSON.quoted(letter.pipeline))"
        text += ",\"signal\":\"\(letter.signal.name)\""
        text += ",\"reason\":\(OTLPJSON.quoted(cut(letter.reason)))"
        text += ",\"items\":\(letter.itemCount)"
        if let position = letter.position {
            let items = position.items.map(String.init).joined(separator: ",")
            text +=
                ",\"position\":{\"epoch\":\"\(hex(position.epochHigh))\(hex(position.epochLow))\""
            text += ",\"number\":\(position.number),\"items\":[\(items)]}"
        }
        output += text.utf8
        if letter.isOpaque || !appendJSON(letter, to: &output) {
            output += ",\"protobuf\":\"".utf8
            output.reserveCapacity(output.count + 2 * letter.payload.count + 3)
            for byte in letter.payload {
                output.append(Hexadecimal.digit(byte >> 4))
                output.append(Hexadecimal.digit(byte))
            }
            output += "\"".utf8
        }
        output += "}\n".utf8
    }

    /// `false`, and nothing written, where the JSON could not be read back: nesting takes more
    /// levels in JSON than in protobuf.
    private static func appendJSON(_ letter: DeadLetter, to output: inout [UInt8]) -> Bool {
        let start = output.count
        output += ",\"otlp\":".utf8
        let jsonStart = output.count
        do {
            try OTLPJSON.write(
                letter.payload.rawSpan, as: letter.signal, into: &output,
                outputBytesMax: jsonBytesMax)
            let json = output.rawSpan.extracting(jsonStart..<output.count)
            _ = try OTLPJSON.transcode(
                json, as: letter.signal, outputBytesMax: TelemetryIndex.payloadBytesMax)
            return true
        } catch {
            output.removeSubrange(start...)
            return false
        }
    }

    private static func cut(_ reason: String) -> String {
        guard reason.utf8.count > DeadLetter.reasonBytesMax else { return reason }
        // What decoding puts in the place of half a character says that something was cut.
        return String(decoding: reason.utf8.prefix(DeadLetter.reasonBytesMax), as: UTF8.self) + "…"
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
