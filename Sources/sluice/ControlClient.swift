import Bytes
import Configuration
import HTTP
import HTTPClient
import Platform

/// Why a command did not work, in words for whoever gave it.
struct CommandError: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

/// Asks a running gateway, through its control socket or its admin port.
struct ControlClient {
    static let defaultDirectory = "./sluice-data"
    private static let timeout = Duration.seconds(10)

    private let client: HTTPClient
    private let place: String

    /// The gateway that has a data directory.
    init(dataDirectory: String) throws(CommandError) {
        let path = "\(dataDirectory)/control.sock"
        place = "the data directory '\(dataDirectory)'"
        guard path.utf8.count <= SocketAddress.unixPathBytesMax else {
            throw CommandError(
                "'\(path)' is too long for a socket; name the data directory by a shorter path, "
                    + "relative to the working directory perhaps")
        }
        client = try Self.client(HTTPOrigin(Endpoint(.unix(path: path))))
    }

    init(_ url: HTTPURL) throws(CommandError) {
        place = url.description
        client = try Self.client(url.origin)
    }

    private static func client(_ origin: HTTPOrigin) throws(CommandError) -> HTTPClient {
        do throws(SystemError) {
            return try HTTPClient(origin: origin)
        } catch {
            throw CommandError("\(error)")
        }
    }

    /// The answer, which is JSON.
    func get(_ path: String, _ items: KeyValuePairs<String, String> = [:]) throws(CommandError)
        -> ConfigurationNode
    { try send(.get, path, items) }

    func post(_ path: String, _ items: KeyValuePairs<String, String> = [:]) throws(CommandError)
        -> ConfigurationNode
    { try send(.post, path, items) }

    /// Whether anybody answers.
    var isAnswered: Bool { (try? get("/flow")) != nil }

    private func send(
        _ method: HTTPMethod, _ path: String, _ items: KeyValuePairs<String, String>
    ) throws(CommandError) -> ConfigurationNode {
        let query = items.map { "\($0.key)=\(PercentEncoding.encode($0.value))" }
        let target = query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
        let response: HTTPClientResponse
        do throws(HTTPClientError) {
            let head = HTTPRequestHead(method: method, target: target)
            response = try client.send(HTTPRequest(head: head), deadline: .now + Self.timeout)
        } catch {
            throw CommandError("no gateway answers for \(place): \(error)")
        }
        // JSON is YAML.
        guard
            let answer = YAML.parse(
                response.body, file: "answer", diagnostics: Diagnostics())
        else { throw CommandError("the gateway's answer cannot be read") }
        guard response.status.isSuccess else {
            throw CommandError(answer["error"]?.string ?? "the gateway answered \(response.status)")
        }
        return answer
    }
}

extension ConfigurationNode {
    func integer(_ key: String) -> Int { self[key]?.int.map { Int($0) } ?? 0 }
    func number(_ key: String) -> Double { self[key]?.double ?? 0 }
    func word(_ key: String) -> String { self[key]?.string ?? "" }
    func flag(_ key: String) -> Bool { self[key]?.bool ?? false }
    func elements(_ key: String) -> [ConfigurationNode] { self[key]?.list ?? [] }
}
