import Bytes
import OTLP
import Pipeline
import Platform

let deadLettersCommand = Command(
    name: "dead-letters", summary: "look at what destinations have rejected, and send it again",
    help: """
        usage: sluice dead-letters list   [--data-dir DIR]
               sluice dead-letters show   EXPORTER [--data-dir DIR] [--count N] [--json]
               sluice dead-letters resend EXPORTER [--data-dir DIR]

        list     the files, with how many items are in them, and the reasons
        show     each letter of an exporter, oldest first; with --json its telemetry, as OTLP/JSON,
                 one a line
        resend   has a running gateway send an exporter's letters to it again. A file goes when all
                 of it was sent; what is rejected again is in a new file

          --data-dir DIR   the gateway's data directory (default ./sluice-data)
          --count N        so many letters (default 20)

        Exit codes: 0 done; 1 it did not work, or not everything was exported; 2 wrong usage.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(
        arguments, options: ["--data-dir", "--count"], flags: ["--json"])
    let directory = arguments.value("--data-dir") ?? ControlClient.defaultDirectory
    let count = try arguments.integer("--count") ?? 20
    guard count > 0 else { throw UsageError("--count is positive") }
    let words = arguments.positional
    do {
        switch (words.first, words.count) {
        case ("list", 1): try listDeadLetters(directory)
        case ("show", 2):
            try showDeadLetters(of: words[1], directory, count, isJSON: arguments.has("--json"))
        case ("resend", 2):
            let client = try ControlClient(dataDirectory: directory)
            let answer = try client.post("/dead-letters/resend", ["exporter": words[1]])
            return try finish(answer, client)
        default: throw UsageError("expected list, show EXPORTER or resend EXPORTER")
        }
        return .success
    } catch let error as UsageError {
        throw error
    } catch let error as CommandError {
        printError("sluice dead-letters: \(error.message)")
    } catch {
        printError("sluice dead-letters: \(error)")
    }
    return .failure
}

private func deadLetters(in directory: String) throws -> DeadLetters {
    guard FileSystem.isDirectory(directory) else {
        throw CommandError("'\(directory)' is no data directory")
    }
    return try DeadLetters(
        directory: "\(directory)/dead-letter", bytesMax: .max, clock: SystemClock())
}

/// Reasons beyond it are summed up: many destinations write an id of the request into them.
private let reasonsMax = 10

private func listDeadLetters(_ directory: String) throws {
    let letters = try deadLetters(in: directory)
    var table = TextTable(["file", "letters", "items", "bytes", "first", "last"])
    var reasons: [String: Int] = [:]
    for file in try letters.files() {
        var (count, items, damaged) = (0, 0, 0)
        var times: [String] = []
        var reader = try letters.open(file)
        while let entry = try reader.next() {
            count += 1
            items += entry.itemCount
            times = [times.first ?? entry.time, entry.time]
            reasons["\(entry.exporter): \(entry.reason)", default: 0] += entry.itemCount
        }
        damaged = reader.damagedLineCount
        table.append([
            file.name, "\(count)" + (damaged > 0 ? " and \(damaged) damaged" : ""), "\(items)",
            Figure.bytes(file.bytes), times.first ?? "-", times.last ?? "-",
        ])
    }
    guard !reasons.isEmpty else { return printOut("no dead letters") }
    printOut(table.text + "\n")
    let sorted = reasons.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    for (reason, items) in sorted.prefix(reasonsMax) { printOut("\(items) items  \(reason)") }
    let more = sorted.dropFirst(reasonsMax)
    guard !more.isEmpty else { return }
    printOut("\(more.reduce(0) { $0 + $1.value }) items  for \(more.count) other reasons")
}

private func showDeadLetters(
    of exporter: String, _ directory: String, _ count: Int, isJSON: Bool
) throws {
    let letters = try deadLetters(in: directory)
    var left = count
    for file in try letters.files(of: exporter) {
        var reader = try letters.open(file)
        while left > 0, let entry = try reader.next() {
            left -= 1
            if isJSON {
                let payload = try entry.payload()
                var json: [UInt8] = []
                try OTLPJSON.write(payload.rawSpan, as: entry.signal, into: &json)
                printOut(String(decoding: json, as: UTF8.self))
            } else {
                printOut(
                    "\(entry.time)  \(entry.pipeline)  \(entry.itemCount) "
                        + "\(entry.signal.itemNoun)  \(entry.reason)")
            }
        }
    }
    if left == count { throw CommandError("no dead letters of an exporter '\(exporter)'") }
}
