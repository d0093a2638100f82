// libFuzzer target for OTLP/JSON: the first byte picks the signal, the rest is the request.
//
// What the transcoder accepts has to be protobuf that the writer can write, and that JSON has to be
// read as the same protobuf again, byte for byte, once the writer has put it in order.
import OTLP

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0, let signal = Signal(rawValue: unsafe start[0] % 3) else { return 0 }
    let input = unsafe UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    let bytes = unsafe RawSpan(_unsafeBytes: input)
    fuzzWriter(bytes, signal)
    guard
        let first = try? OTLPJSON.transcode(bytes, as: signal, outputBytesMax: 1 << 24)
    else { return 0 }
    let line = written(first.protobuf, signal)
    let second = transcoded(line, signal)
    let again = written(second, signal)
    precondition(again == line, "BUG: JSON differs after a round trip")
    precondition(transcoded(again, signal) == second, "BUG: protobuf differs after a round trip")
    return 0
}

/// The writer on what may be no protobuf at all: it writes JSON that is read again, or refuses.
private func fuzzWriter(_ bytes: RawSpan, _ signal: Signal) {
    var line: [UInt8] = []
    guard (try? OTLPJSON.write(bytes, as: signal, into: &line)) != nil else { return }
    _ = try? unsafe OTLPJSON.transcode(line.span.bytes, as: signal, outputBytesMax: 1 << 24)
}

private func written(_ protobuf: [UInt8], _ signal: Signal) -> [UInt8] {
    var line: [UInt8] = []
    do {
        try unsafe OTLPJSON.write(protobuf.span.bytes, as: signal, into: &line)
    } catch {
        preconditionFailure("BUG: what was transcoded is not protobuf: \(error)")
    }
    return line
}

private func transcoded(_ json: [UInt8], _ signal: Signal) -> [UInt8] {
    do {
        return try unsafe OTLPJSON.transcode(json.span.bytes, as: signal, outputBytesMax: 1 << 24)
            .protobuf
    } catch {
        preconditionFailure("BUG: what was written is not OTLP/JSON: \(error)")
    }
}
