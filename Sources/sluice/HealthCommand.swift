import HTTP
import HTTPClient
import Platform

let healthCommand = Command(
    name: "health", summary: "ask a running gateway whether it is ready",
    help: """
        usage: sluice health [--endpoint URL]

        Asks /ready, prints the answer, and exits 0 if the gateway accepts data, 1 if not: a health
        check for containers, whose images need no other client.

          --endpoint URL   the gateway's health endpoint (default http://localhost:8888)
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(arguments, options: ["--endpoint"])
    try arguments.refusePositional()
    let url: HTTPURL
    do throws(HTTPURLError) {
        url = try HTTPURL(parsing: arguments.value("--endpoint") ?? "http://localhost:8888")
            .appending(path: "/ready")
    } catch {
        throw UsageError("--endpoint: \(error.description)")
    }
    return health(url)
}

/// A container's runtime gives up after 30 s by default; an answer should come at once.
private let healthTimeout = Duration.seconds(5)

private func health(_ url: HTTPURL) -> ExitCode {
    do {
        let client = try HTTPClient(origin: url.origin)
        let head = HTTPRequestHead(method: .get, target: url.target)
        let response = try client.send(HTTPRequest(head: head), deadline: .now + healthTimeout)
        printOut(String(decoding: response.body, as: UTF8.self).trimmingLastNewline())
        return response.status.isSuccess ? .success : .failure
    } catch {
        printError("sluice health: \(error)")
        return .failure
    }
}

extension String {
    fileprivate func trimmingLastNewline() -> String { hasSuffix("\n") ? String(dropLast()) : self }
}
