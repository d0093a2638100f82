import Configuration
import HTTPClient
import Platform

let flowCommand = Command(
    name: "flow", summary: "show what became of every item, and whether the sums meet",
    help: """
        usage: sluice flow [--data-dir DIR | --endpoint URL] [--watch]

        Asks a running gateway what it has accepted, and what became of that: for each pipeline
        since the start, and for each exporter since it began to read the pipeline's log. Rates are
        those between two looks.

          --data-dir DIR     the gateway's data directory (default ./sluice-data)
          --endpoint URL     its admin port instead, such as http://localhost:8888
          --interval D       between the two looks (default 1s)
          --watch            goes on until it is interrupted

        Exit codes: 0 every sum meets; 1 one does not, or no gateway answers; 2 wrong usage.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(
        arguments, options: ["--data-dir", "--endpoint", "--interval"], flags: ["--watch"])
    try arguments.refusePositional()
    let interval = try arguments.duration("--interval") ?? .seconds(1)
    guard interval >= .milliseconds(10) else { throw UsageError("--interval: at least 10ms") }
    var url: HTTPURL?
    if let text = arguments.value("--endpoint") {
        guard arguments.value("--data-dir") == nil else {
            throw UsageError("--data-dir and --endpoint are alternatives")
        }
        do throws(HTTPURLError) {
            url = try HTTPURL(parsing: text)
        } catch {
            throw UsageError("--endpoint: \(error.description)")
        }
    }
    let directory = arguments.value("--data-dir") ?? ControlClient.defaultDirectory
    do throws(CommandError) {
        let client: ControlClient
        if let url {
            client = try ControlClient(url)
        } else {
            client = try ControlClient(dataDirectory: directory)
        }
        return try showFlow(client, every: interval, isWatching: arguments.has("--watch"))
    } catch {
        printError("sluice flow: \(error.message)")
        return .failure
    }
}

private func showFlow(
    _ client: ControlClient, every interval: Duration, isWatching: Bool
) throws(CommandError) -> ExitCode {
    var before = try client.get("/flow")
    while true {
        pause(interval)
        let now = try client.get("/flow")
        printOut(FlowTable(now, after: before).text)
        guard isWatching else { return now.flag("balanced") ? .success : .failure }
        printOut("")
        before = now
    }
}

func pause(_ length: Duration) {
    _ = Monitor(false).wait(until: .now + length) { $0 ? true : nil }
}

/// Two answers of `/flow`, for people.
struct FlowTable {
    private let now: ConfigurationNode
    private let before: ConfigurationNode
    private let seconds: Double

    init(_ now: ConfigurationNode, after before: ConfigurationNode) {
        self.now = now
        self.before = before
        seconds = max(now.number("uptime_seconds") - before.number("uptime_seconds"), 0.001)
    }

    var text: String {
        let pipelines = now.elements("pipelines")
        var parts = pipelines.map { pipeline in
            let earlier = before.elements("pipelines").first {
                $0.word("pipeline") == pipeline.word("pipeline")
            }
            return text(pipeline, after: earlier)
        }
        let failing = pipelines.filter { !$0.flag("balanced") }.map { $0.word("pipeline") }
        parts.append(
            failing.isEmpty
                ? "every sum meets" : "SUMS DO NOT MEET: \(failing.joined(separator: ", "))")
        return parts.joined(separator: "\n\n")
    }

    private func text(_ pipeline: ConfigurationNode, after earlier: ConfigurationNode?) -> String {
        let processors = pipeline.elements("processors").flatMap { processor in
            [("sampled_away", "sampled away"), ("dropped", "dropped")].compactMap { key, words in
                processor[key].map { _ in
                    "\(processor.integer(key)) \(words) by \(processor.word("processor"))"
                }
            }
        }
        let log = pipeline["log"] ?? pipeline
        var place = "\(Figure.bytes(log.integer("bytes")))"
        if let most = log["max_bytes"]?.int { place += " of \(Figure.bytes(Int(most)))" }
        let appended = "\(pipeline.integer("appended")) put into the log (\(place))"
        var text = "\(pipeline.word("pipeline"))\n  accepted \(pipeline.integer("accepted"))"
        text += " (\(rate("accepted", pipeline, earlier)))"
        text += " = \((processors + [appended]).joined(separator: " + "))"
        text += "; refused \(pipeline.integer("refused"))\n"
        if let reason = log["refusing"]?.string { text += "  new data is refused: \(reason)\n" }
        return text + exporters(pipeline, after: earlier)
    }

    private func exporters(
        _ pipeline: ConfigurationNode, after earlier: ConfigurationNode?
    ) -> String {
        var table = TextTable(
            [
                "exporter", "items", "= exported", "rate", "+ dropped", "+ set aside", "+ skipped",
                "+ lost", "+ pending", "lag", "", "full in", "replayed",
            ], indent: 2)
        for exporter in pipeline.elements("exporters") {
            let cursor = exporter.word("cursor")
            let old = earlier?.elements("exporters").first { $0.word("cursor") == cursor }
            table.append(row(exporter, after: old))
        }
        return table.text
    }

    private func row(_ exporter: ConfigurationNode, after old: ConfigurationNode?) -> [String] {
        let pending = exporter["pending"] ?? exporter
        let mark = exporter.flag("orphaned") ? " (not configured)" : ""
        var row = [exporter.word("exporter") + mark, "\(exporter.integer("items"))"]
        row.append("\(exporter.integer("exported"))")
        row.append(rate("exported", exporter, old))
        for key in ["dropped", "set_aside", "skipped", "lost"] {
            row.append("\(exporter.integer(key))")
        }
        row.append("\(pending.integer("items"))")
        row.append(Figure.bytes(pending.integer("bytes")))
        row.append(Figure.seconds(exporter.number("lag_seconds")))
        row.append(timeUntilFull(exporter))
        row.append("\(exporter.integer("replayed"))")
        return row
    }

    private func timeUntilFull(_ exporter: ConfigurationNode) -> String {
        guard let node = exporter["seconds_until_full"], !node.isNull else { return "-" }
        return Figure.seconds(exporter.number("seconds_until_full"))
    }

    private func rate(
        _ key: String, _ now: ConfigurationNode, _ before: ConfigurationNode?
    ) -> String {
        guard let before else { return "-" }
        // In floating point: what another process says must not overflow.
        let difference = Double(now.integer(key)) - Double(before.integer(key))
        return Figure.rate(difference / seconds)
    }
}
