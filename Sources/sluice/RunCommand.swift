import Configuration
import Gateway
import Pipeline
import Platform
import Telemetry

let runCommand = Command(
    name: "run", summary: "receive, process and deliver telemetry",
    help: """
        usage: sluice run [--config FILE]... [--set KEY=VALUE]...

        Receives telemetry until SIGTERM or SIGINT; then delivers what it can at once, and ends.
        What is left waits in the log on disk for the next start.
        SIGHUP reads the configuration again; a bad one is refused and the old one goes on.

        \(ConfigurationArguments.help)

        Exit codes: 0 everything is delivered or in the log on disk; 1 it could not start; 2 wrong
        usage; 3 items were acknowledged, were in memory alone (service.log.durability), and could
        not be delivered within service.limits.shutdown_timeout.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(arguments, options: ConfigurationArguments.names)
    try arguments.refusePositional()
    return run(ConfigurationArguments(arguments))
}

private func run(_ configuration: ConfigurationArguments) -> ExitCode {
    guard let (plan, root, _) = configuration.load() else { return .failure }
    CurrentProcess.raiseDescriptorLimit()
    CurrentProcess.ignoreBrokenPipes()
    CurrentProcess.tuneHeap()
    let output = LogOutput(
        level: plan.logLevel, encoding: plan.logEncoding, clock: SystemClock(),
        sink: StandardError.sink)
    do {
        // Before any thread starts, so that all of them leave these signals to the descriptor.
        let signals = try SignalDescriptor([.terminate, .interrupt, .hangUp])
        let gateway = try Gateway(plan, output: output)
        CurrentProcess.releaseStartupPages()
        if configuration.isDefault { printOut(welcome(gateway, root)) }
        let limit = try serve(gateway, configuration, plan, signals, output)
        return stop(gateway, within: limit, Logger(output))
    } catch let error as ComponentError {
        Logger(output).error("cannot start", LogField("reason", error.description))
    } catch {
        Logger(output).error("cannot start", LogField("reason", "\(error)"))
    }
    return .failure
}

/// Runs until a signal ends it; returns how long stopping may take.
private func serve(
    _ gateway: Gateway, _ configuration: ConfigurationArguments, _ plan: GatewayPlan,
    _ signals: borrowing SignalDescriptor, _ output: LogOutput
) throws(SystemError) -> Duration {
    var limit = plan.shutdownTimeout
    let log = Logger(output)
    // Threads have begun by then, and what comes each second has come once.
    var settlesAt: Instant? = .now + .seconds(2)
    while true {
        let signal = try signals.next(until: settlesAt ?? .now + LogOutput.rateLimitWindow)
        if let time = settlesAt, time <= .now {
            CurrentProcess.releaseStartupPages()
            settlesAt = nil
        }
        output.reportSuppressed()
        switch signal {
        case .hangUp:
            guard let (plan, _, _) = configuration.load() else {
                log.error("configuration refused, the old one goes on")
                continue
            }
            do throws(ComponentError) {
                try gateway.reload(plan)
                limit = plan.shutdownTimeout
            } catch {
                log.error(
                    "configuration refused, the old one goes on",
                    LogField("reason", error.description))
            }
        case .terminate, .interrupt: return limit
        default: continue
        }
    }
}

private func stop(_ gateway: Gateway, within limit: Duration, _ log: Logger) -> ExitCode {
    log.info("stopping", LogField("within", limit))
    let (lost, kept) = gateway.stop(within: limit)
    guard lost == 0 else {
        log.error("stopped, acknowledged items were not delivered", LogField("items_lost", lost))
        return .dataLost
    }
    if kept > 0 {
        log.info("stopped, the log keeps what was not delivered", LogField("items", kept))
    } else {
        log.info("stopped, everything was delivered")
    }
    return .success
}

/// For whoever runs it without a configuration: what it does, and how to look.
private func welcome(_ gateway: Gateway, _ root: ConfigurationNode) -> String {
    let url = "http://\(gateway.boundAddresses.first?.address.description ?? "localhost:4318")"
    let admin = gateway.adminAddresses.first?.description ?? "localhost:8888"
    let file = root["exporters"]?["sqlite"]?["path"]?.string ?? "./sluice-data/sluice.db"
    let query = "SELECT start_time, service_name, name, duration_ms FROM spans LIMIT 5"
    return """
        Sluice \(Version.current) receives OTLP/HTTP on \(url) and stores in \(file)

          send   sluice generate traces --endpoint \(url) --duration 5s
          look   sqlite3 -box \(file) '\(query)'
          check  curl \(admin)/ready

        """
}
