// The codec behind pipes, for Tests/differential/otlp_json.py: reads frames of operation (`j`: JSON
// to protobuf, `p`: protobuf to JSON), signal (0, 1, 2), length (4 bytes, big-endian) and payload
// from standard input; answers each with `+` or `-`, length and the output or the error's text.
import Glibc
import OTLP

func readExactly(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
        let got = bytes.withUnsafeMutableBytes { buffer in
            Glibc.read(0, buffer.baseAddress! + filled, count - filled)
        }
        guard got > 0 else { return nil }
        filled += got
    }
    return bytes
}

func answer(_ status: Character, _ bytes: [UInt8]) {
    var frame = [status.asciiValue ?? 0]
    for shift in [24, 16, 8, 0] { frame.append(UInt8(truncatingIfNeeded: bytes.count >> shift)) }
    frame += bytes
    var sent = 0
    while sent < frame.count {
        let written = frame.withUnsafeBytes { buffer in
            Glibc.write(1, buffer.baseAddress! + sent, frame.count - sent)
        }
        guard written > 0 else { exit(2) }
        sent += written
    }
}

var transcoder = OTLPJSON.Transcoder()
var writer = OTLPJSON.Writer()
while let head = readExactly(6) {
    let count = head[2...].reduce(0) { $0 << 8 | Int($1) }
    guard let payload = readExactly(count), let signal = Signal(rawValue: head[1]) else { exit(2) }
    do {
        if head[0] == UInt8(ascii: "j") {
            let result = try transcoder.transcode(
                payload.span.bytes, as: signal, outputBytesMax: 1 << 28)
            answer("+", result.protobuf)
        } else {
            var line: [UInt8] = []
            try writer.write(payload.span.bytes, as: signal, into: &line)
            answer("+", line)
        }
    } catch {
        answer("-", Array("\(error)".utf8))
    }
}
