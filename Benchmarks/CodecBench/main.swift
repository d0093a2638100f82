// Measures the codec of the OTLP library: the deep index, and OTLP/JSON in both directions. Without
// arguments over requests of its own making, 300 distinct ones a signal; or over payload files,
// `<signal>-<items>-<variant>.json` and `.pb`. A line each: ns an item, MB of input a second.
import Bytes
import Glibc
import LoadGenerator
import OTLP

struct Payload {
    let signal: Signal
    let items: Int
    let bytes: [UInt8]
    let isJSON: Bool
}

func read(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "rb") else { fatalError("cannot open \(path)") }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    let size = ftell(file)
    rewind(file)
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = fread(buffer.baseAddress, 1, size, file)
    }
}

func payload(_ path: String) -> Payload? {
    let name = path.split(separator: "/").last ?? ""
    let stem = name.split(separator: ".")
    let parts = stem[0].split(separator: "-")
    guard stem.count == 2, stem[1] == "json" || stem[1] == "pb", parts.count == 3,
        let signal = Signal.allCases.first(where: { $0.name == parts[0] }),
        let items = Int(parts[1])
    else { return nil }
    return Payload(signal: signal, items: items, bytes: read(path), isJSON: stem[1] == "json")
}

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func fixed(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

/// The best of several rounds over all payloads, each round a different payload at each step.
func measure(_ name: String, _ payloads: [Payload], _ work: (Payload) -> Int) {
    guard !payloads.isEmpty else { return }
    let items = payloads.reduce(0) { $0 + $1.items }
    let input = payloads.reduce(0) { $0 + $1.bytes.count }
    let rounds =
        getenv("ROUNDS").flatMap { Int(String(cString: $0)) } ?? max(5, 200_000_000 / input)
    var best = Double.infinity
    var output = 0
    for _ in 0..<rounds {
        let start = seconds()
        output = 0
        for payload in payloads { output += work(payload) }
        best = min(best, seconds() - start)
    }
    print(
        name, payloads.count, "payloads:", fixed(best / Double(items) * 1e9), "ns/item,",
        fixed(Double(input) / best / 1e6), "MB/s in,", fixed(Double(output) / best / 1e6),
        "MB/s out")
}

/// Distinct requests, in both encodings. One payload again and again would flatter the branch
/// predictor.
func generated(_ count: Int = 300, items: Int = 100) -> [Payload] {
    Signal.allCases.flatMap { signal in
        var generator = RequestGenerator(signal, serviceCount: 10, seed: 1, stream: 0)
        return (0..<count).flatMap { _ in
            let request = generator.request(
                itemCount: items, unixNanoseconds: 1_790_000_000_000_000_000)
            var json: [UInt8] = []
            guard (try? OTLPJSON.write(request.rawSpan, as: signal, into: &json)) != nil else {
                fatalError("a generated request is not valid")
            }
            return [
                Payload(signal: signal, items: items, bytes: request, isJSON: false),
                Payload(signal: signal, items: items, bytes: json, isJSON: true),
            ]
        }
    }
}

let files = CommandLine.arguments.dropFirst().compactMap(payload)
let payloads = files.isEmpty ? generated() : files
// For counting instructions: the index over one signal, once, and nothing else.
if let name = getenv("INDEX_ONLY").map({ String(cString: $0) }) {
    var index = TelemetryIndex()
    var items = 0
    for payload in payloads where payload.signal.name == name && !payload.isJSON {
        guard (try? index.rebuild(over: payload.bytes.rawSpan, as: payload.signal)) != nil else {
            fatalError("a payload is not valid")
        }
        items += index.items.count
    }
    print(items)
    exit(0)
}
for signal in Signal.allCases {
    let some = payloads.filter { $0.signal == signal }
    var index = TelemetryIndex()
    measure("deep index, \(signal.name),", some.filter { !$0.isJSON }) { payload in
        guard (try? index.rebuild(over: payload.bytes.rawSpan, as: signal)) != nil else {
            fatalError("a payload is not valid")
        }
        return index.items.count
    }
    var transcoder = OTLPJSON.Transcoder()
    measure("JSON to protobuf, \(signal.name),", some.filter(\.isJSON)) { payload in
        do {
            return try transcoder.transcode(
                payload.bytes.span.bytes, as: payload.signal, outputBytesMax: 1 << 28
            ).protobuf.count
        } catch {
            fatalError("\(error)")
        }
    }
    var writer = OTLPJSON.Writer()
    var line: [UInt8] = []
    measure("protobuf to JSON, \(signal.name),", some.filter { !$0.isJSON }) { payload in
        line.removeAll(keepingCapacity: true)
        do {
            try writer.write(payload.bytes.span.bytes, as: payload.signal, into: &line)
        } catch {
            fatalError("\(error)")
        }
        return line.count
    }
}
