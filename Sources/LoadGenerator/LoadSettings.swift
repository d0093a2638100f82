public import Compression
public import HTTPClient
public import OTLP

/// How `sluice generate` sends.
public struct LoadSettings: Sendable {
    /// The two encodings of OTLP/HTTP.
    public enum Encoding: String, Sendable, CaseIterable {
        case proto, json

        var contentType: String {
            switch self {
            case .proto: "application/x-protobuf"
            case .json: "application/json"
            }
        }
    }

    /// Connections at most: each has a generator, and its prepared requests.
    public static let connectionsMax = 1_024
    /// Items of one request at most.
    public static let batchMax = 100_000
    /// Items a second at most; 0 is the way to ask for more.
    public static let rateMax = 100_000_000
    /// Requests that a connection may prepare.
    public static let preparedMax = 10_000
    /// Services at most.
    public static let servicesMax = Shop.servicesMax

    public var signal: Signal
    /// The server, to which `/v1/traces` and so on is added; or the whole URL, if it ends so.
    public var endpoint: HTTPURL
    /// Items a second over all connections; 0 is as fast as possible.
    public var rate = 0
    public var duration = Duration.seconds(10)
    /// Items of one request.
    public var batch = 100
    public var connections = 4
    /// Requests that each connection makes beforehand and then sends over and over, for more load
    /// than can be generated meanwhile; with 0 each request is a new one.
    public var preparedCount = 0
    public var compression = ContentEncoding.identity
    public var encoding = Encoding.proto
    /// How many services the telemetry tells of.
    public var services = 10
    /// Decides what is generated; the same seed gives the same ids again.
    public var seed: UInt64
    /// An attempt without an answer is given up after this long.
    var attemptTimeout = Duration.seconds(30)

    public init(_ signal: Signal, endpoint: HTTPURL, seed: UInt64) {
        self.signal = signal
        self.endpoint = endpoint
        self.seed = seed
    }

    /// What is wrong with the settings, all of it, each in words that name the option.
    public var problems: [String] {
        var problems: [String] = []
        func check(_ option: String, _ value: Int, _ range: ClosedRange<Int>) {
            guard !range.contains(value) else { return }
            problems.append("--\(option) is \(range.lowerBound) to \(range.upperBound)")
        }
        check("rate", rate, 0...Self.rateMax)
        check("batch", batch, 1...Self.batchMax)
        check("connections", connections, 1...Self.connectionsMax)
        check("prepare", preparedCount, 0...Self.preparedMax)
        check("services", services, 1...Self.servicesMax)
        if duration <= .zero { problems.append("--duration is more than 0") }
        return problems
    }

    /// Where requests go.
    var url: HTTPURL {
        let path = "/v1/\(signal.name)"
        return endpoint.target.hasSuffix(path) ? endpoint : endpoint.appending(path: path)
    }
}
