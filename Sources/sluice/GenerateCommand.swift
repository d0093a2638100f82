import Compression
import HTTPClient
import LoadGenerator
import OTLP
import Platform

let generateCommand = Command(
    name: "generate", summary: "send realistic traces, metrics or logs, for trying out and load",
    help: """
        usage: sluice generate traces|metrics|logs [options]

        Sends telemetry of a made-up shop over OTLP/HTTP, and tells what became of it.

          --endpoint URL        where to (default http://localhost:4318)
          --rate N              items a second over all connections; 0 is as fast as possible
                                (default 1000)
          --duration D          how long, such as 30s or 5m (default 10s)
          --batch N             items a request (default 100)
          --connections N       (default 4)
          --prepare N           make N requests a connection first and send them over and over,
                                for more load than can be made meanwhile (default 0)
          --services N          services of the shop (default 10)
          --encoding ENCODING   proto or json (default proto)
          --compression NAME    none, or a Content-Encoding of the receiver's (default none)
          --seed N              the same seed gives the same telemetry (default: random)

        Exit codes: 0 everything was accepted; 1 something was not; 2 wrong usage.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(
        arguments,
        options: [
            "--endpoint", "--rate", "--duration", "--batch", "--connections", "--prepare",
            "--services",
            "--encoding", "--compression", "--seed",
        ])
    let settings = try loadSettings(arguments)
    do throws(SystemError) {
        // Blocked, so that the watcher's descriptor gets them.
        let signals = try SignalDescriptor([.terminate, .interrupt])
        let summary = try generate(settings, until: signals)
        printOut(summary.description)
        return summary.isComplete ? .success : .failure
    } catch {
        printError("sluice generate: \(error)")
        return .failure
    }
}

/// Generates until the time is over or a signal comes, whichever is first.
private func generate(
    _ settings: LoadSettings, until signals: consuming SignalDescriptor
) throws(SystemError) -> LoadSummary {
    let run = try LoadRun(settings)
    while true {
        // A signal is looked for often enough that Ctrl-C feels immediate.
        if let summary = run.wait(until: .now + .milliseconds(100)) { return summary }
        if try signals.next(until: .now) != nil { run.stop() }
    }
}

private func loadSettings(_ arguments: Arguments) throws(UsageError) -> LoadSettings {
    let names = Signal.allCases.map(\.name)
    guard arguments.positional.count == 1,
        let signal = Signal.allCases.first(where: { $0.name == arguments.positional[0] })
    else { throw UsageError("expected one of \(names.joined(separator: ", "))") }
    let endpoint: HTTPURL
    do throws(HTTPURLError) {
        endpoint = try HTTPURL(parsing: arguments.value("--endpoint") ?? "http://localhost:4318")
    } catch {
        throw UsageError("--endpoint: \(error.description)")
    }
    var random = SystemRandom()
    let seed = try arguments.integer("--seed").map { UInt64(bitPattern: Int64($0)) }
    var settings = LoadSettings(signal, endpoint: endpoint, seed: seed ?? random.next())
    settings.rate = try arguments.integer("--rate") ?? 1000
    settings.batch = try arguments.integer("--batch") ?? settings.batch
    settings.connections = try arguments.integer("--connections") ?? settings.connections
    settings.preparedCount = try arguments.integer("--prepare") ?? 0
    settings.services = try arguments.integer("--services") ?? settings.services
    if let duration = try arguments.duration("--duration") { settings.duration = duration }
    if let name = arguments.value("--encoding") {
        guard let encoding = LoadSettings.Encoding(rawValue: name) else {
            throw UsageError("--encoding is proto or json")
        }
        settings.encoding = encoding
    }
    if let name = arguments.value("--compression") {
        guard let compression = ContentEncoding(name == "none" ? "identity" : name) else {
            throw UsageError("--compression is none, \(ContentEncoding.supportedNames)")
        }
        settings.compression = compression
    }
    if let problem = settings.problems.first { throw UsageError(problem) }
    return settings
}
