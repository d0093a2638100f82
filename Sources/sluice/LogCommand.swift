import Configuration
import DurableLog
import OTLP
import Platform

let logCommand = Command(
    name: "log", summary: "look into the durable log, check it, send a part of it again",
    help: """
        usage: sluice log list    [--data-dir DIR]
               sluice log inspect PIPELINE [--data-dir DIR] [--from POSITION] [--count N] [--json]
               sluice log verify  [--data-dir DIR]
               sluice log replay  --from TIME --to TIME --exporter ID [--pipeline P] [--again]
                                  [--data-dir DIR]
               sluice log abandon EXPORTER [--data-dir DIR]

        list      the log of each pipeline: segments, and how far each exporter has come
        inspect   a pipeline's records; with --json their telemetry, as OTLP/JSON, one a line
        verify    reads everything, and checks it against its checksums
        replay    sends what was received in a time range to one exporter again, as far as the log
                  still has it (service.log.retain) and the exporter has had its turn; a running
                  gateway does it. A store that knows what it has skips that, unless --again
        abandon   gives up what the log keeps for an exporter that is configured no more

          --data-dir DIR    the gateway's data directory (default ./sluice-data)
          --from, --to      of replay: 2026-11-20T16:40:00Z, seconds since 1970, '10m ago', now
          --from, --count   of inspect: the first position (default: the oldest), and how many
                            records (default 20)

        list, inspect and verify change nothing, and work while a gateway runs.

        Exit codes: 0 done; 1 it did not work, or verify found damage; 2 wrong usage.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(
        arguments,
        options: ["--data-dir", "--from", "--to", "--count", "--exporter", "--pipeline"],
        flags: ["--json", "--again"])
    let directory = arguments.value("--data-dir") ?? ControlClient.defaultDirectory
    let words = arguments.positional
    do {
        switch (words.first, words.count) {
        case ("list", 1): try LogView(directory).list()
        case ("inspect", 2): try inspect(words[1], directory, arguments)
        case ("verify", 1): return try LogView(directory).verify() ? .success : .failure
        case ("replay", 1): return try replay(arguments, ControlClient(dataDirectory: directory))
        case ("abandon", 2): try abandon(words[1], ControlClient(dataDirectory: directory))
        default:
            throw UsageError(
                "expected list, inspect PIPELINE, verify, replay or abandon EXPORTER")
        }
        return .success
    } catch let error as UsageError {
        throw error
    } catch let error as CommandError {
        printError("sluice log: \(error.message)")
    } catch {
        printError("sluice log: \(error)")
    }
    return .failure
}

private func inspect(_ pipeline: String, _ directory: String, _ arguments: Arguments) throws {
    let from = try arguments.integer("--from") ?? 0
    let count = try arguments.integer("--count") ?? 20
    guard from >= 0, count > 0 else { throw UsageError("--from and --count are not negative") }
    let view = try LogView(directory)
    try view.inspect(
        pipeline, from: UInt64(from), count: count, isJSON: arguments.has("--json"))
}

// MARK: - What a running gateway does

private func replay(_ arguments: Arguments, _ client: ControlClient) throws -> ExitCode {
    let now = SystemClock().unixNanoseconds
    func time(_ name: String) throws(UsageError) -> UInt64 {
        guard let text = arguments.value(name) else { throw UsageError("\(name) is needed") }
        guard let time = TimeArgument.parse(text, now: now) else {
            throw UsageError(
                "\(name): expected 2026-11-20T16:40:00Z, seconds since 1970, '10m ago' or now")
        }
        return time
    }
    guard let exporter = arguments.value("--exporter") else {
        throw UsageError("--exporter is needed")
    }
    let (from, to) = (try time("--from"), try time("--to"))
    guard from < to else { throw UsageError("--from must be before --to") }
    let again = arguments.has("--again") ? "true" : "false"
    let answer: ConfigurationNode
    if let pipeline = arguments.value("--pipeline") {
        answer = try client.post(
            "/log/replay",
            [
                "from": "\(from)", "to": "\(to)", "exporter": exporter, "again": again,
                "pipeline": pipeline,
            ])
    } else {
        answer = try client.post(
            "/log/replay",
            ["from": "\(from)", "to": "\(to)", "exporter": exporter, "again": again])
    }
    return try finish(answer, client)
}

/// Waits until a replay is done, and tells what came of it.
func finish(
    _ started: ConfigurationNode, _ client: ControlClient
) throws(CommandError) -> ExitCode {
    var answer = started
    while answer.word("state") == "running" {
        pause(.milliseconds(100))
        answer = try client.get("/log/replay", ["replay": "\(answer.integer("replay"))"])
    }
    var counts = "\(answer.integer("items")) items read, \(answer.integer("exported")) exported"
    for (key, words) in [
        ("dropped", "dropped"), ("set_aside", "set aside"), ("damaged", "damaged"),
    ] where answer.integer(key) > 0 {
        counts += ", \(answer.integer(key)) \(words)"
    }
    guard answer.word("state") == "done" else {
        throw CommandError("\(counts); then \(answer.word("reason"))")
    }
    printOut(counts)
    return answer.integer("exported") == answer.integer("items") ? .success : .failure
}

private func abandon(_ exporter: String, _ client: ControlClient) throws(CommandError) {
    let answer = try client.post("/log/abandon", ["exporter": exporter])
    for entry in answer.elements("abandoned") {
        printOut("\(entry.word("pipeline")): \(entry.integer("items")) items given up")
    }
}
