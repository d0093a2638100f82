import Glibc
import Platform

/// Exit codes, as documented in README.md.
enum ExitCode: Int32 {
    case success = 0
    /// The configuration is invalid, or something could not start.
    case failure = 1
    /// The command line is wrong.
    case usage = 2
    /// Acknowledged data could not be delivered before the process had to end.
    case dataLost = 3
}

/// One command of the program.
struct Command: Sendable {
    let name: String
    let summary: String
    let help: String
    let run: @Sendable (_ arguments: [String]) throws(UsageError) -> ExitCode

    static let all = [
        runCommand, validateCommand, componentsCommand, printConfigCommand, generateCommand,
        healthCommand, flowCommand, logCommand, deadLettersCommand, schemaCommand,
        versionCommand,
    ]
}

/// The command line is wrong; the text says how.
struct UsageError: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

func runProcess() -> Never {
    CurrentProcess.openStandardDescriptors()
    let arguments = Array(CommandLine.arguments.dropFirst())
    exit(dispatch(arguments).rawValue)
}

private func dispatch(_ arguments: [String]) -> ExitCode {
    guard let name = arguments.first else {
        printError(overview)
        return .usage
    }
    if ["--help", "-h", "help"].contains(name) {
        return help(on: arguments.dropFirst().first)
    }
    if name == "--version" { return dispatch(["version"]) }
    guard let command = Command.all.first(where: { $0.name == name }) else {
        printError("sluice: no command '\(name)'; see 'sluice --help'")
        return .usage
    }
    let rest = Array(arguments.dropFirst())
    if rest.contains("--help") || rest.contains("-h") {
        printOut(command.help)
        return .success
    }
    do throws(UsageError) {
        return try command.run(rest)
    } catch {
        printError("sluice \(name): \(error.message); see 'sluice \(name) --help'")
        return .usage
    }
}

private func help(on name: String?) -> ExitCode {
    guard let name else {
        printOut(overview)
        return .success
    }
    guard let command = Command.all.first(where: { $0.name == name }) else {
        printError("sluice: no command '\(name)'; see 'sluice --help'")
        return .usage
    }
    printOut(command.help)
    return .success
}

private var overview: String {
    let width = Command.all.map(\.name.count).max() ?? 0
    let list = Command.all.map { command in
        let padding = String(repeating: " ", count: width - command.name.count)
        return "  \(command.name)\(padding)  \(command.summary)"
    }
    return """
        usage: sluice COMMAND [options]

        An OpenTelemetry gateway: OTLP in; PostgreSQL, SQLite, files and OTLP out.

        \(list.joined(separator: "\n"))

        'sluice COMMAND --help' tells more. Without a configuration 'sluice run' receives
        OTLP/HTTP on localhost:4318 and stores in ./sluice-data.
        """
}

func printOut(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

func printError(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

private func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        // SAFETY: write(2) reads `count` bytes of a buffer that outlives the call.
        let count = unsafe rest.withUnsafeBytes { buffer in
            unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
        }
        // Nobody reads: a closed pipe is how `| head` ends a program.
        guard count > 0 || errno == EINTR else { return }
        rest = rest.dropFirst(max(count, 0))
    }
}
