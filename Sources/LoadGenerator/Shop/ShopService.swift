import OTLP

/// One service of the shop, as its exporter describes it.
struct ShopService {
    let name: String
    /// `Resource resource = 1` of `ResourceSpans`, `ResourceMetrics` and `ResourceLogs`.
    let resource: [UInt8]
    /// `InstrumentationScope scope = 1` of `ScopeSpans`, `ScopeMetrics` and `ScopeLogs`.
    let scope: [UInt8]

    private struct Platform {
        let language: String
        let sdkVersion: String
        let runtime: String
        let scope: String
        let scopeVersion: String
    }

    private static let platforms = [
        Platform(
            language: "java", sdkVersion: "1.53.0", runtime: "OpenJDK Runtime Environment",
            scope: "io.opentelemetry.tomcat-10.0", scopeVersion: "2.19.0-alpha"),
        Platform(
            language: "go", sdkVersion: "1.38.0", runtime: "go",
            scope: "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
            scopeVersion: "0.63.0"),
        Platform(
            language: "python", sdkVersion: "1.37.0", runtime: "CPython",
            scope: "opentelemetry.instrumentation.fastapi", scopeVersion: "0.58b0"),
        Platform(
            language: "nodejs", sdkVersion: "2.1.0", runtime: "nodejs",
            scope: "@opentelemetry/instrumentation-http", scopeVersion: "0.205.0"),
    ]
    private static let regions = ["eu-central-1", "eu-west-1", "us-east-1"]

    /// - Parameter replica: 0 for the service itself; others get a number behind the name.
    init(name baseName: String, index: Int, replica: Int) {
        let name = replica == 0 ? baseName : "\(baseName)-\(replica + 1)"
        let platform = Self.platforms[index % Self.platforms.count]
        var random = LoadRandom(seed: UInt64(index))
        let pod = "\(name)-\(String(random.next() >> 28, radix: 36))"
        var writer = ProtobufWriter()
        writer.message(1) { resource in
            resource.attributes(
                1,
                [
                    "service.name": .string(name), "service.namespace": "shop",
                    "service.version": .string("\(1 + index % 4).\(random.below(30)).0"),
                    "service.instance.id": .string("\(pod).shop"),
                    "deployment.environment.name": "production",
                    "host.name": .string("node-\(index % 7)"), "host.arch": "amd64",
                    "os.type": "linux", "k8s.namespace.name": "shop",
                    "k8s.pod.name": .string(pod), "k8s.deployment.name": .string(name),
                    "cloud.region": .string(Self.regions[index % Self.regions.count]),
                    "process.pid": .integer(Int64(1 + random.below(30_000))),
                    "process.runtime.name": .string(platform.runtime),
                    "process.command_args": .strings(["/usr/bin/env", name]),
                    "telemetry.sdk.name": "opentelemetry",
                    "telemetry.sdk.language": .string(platform.language),
                    "telemetry.sdk.version": .string(platform.sdkVersion),
                ])
        }
        resource = writer.bytes
        writer.removeAll()
        writer.message(1) { scope in
            scope.string(1, platform.scope)
            scope.string(2, platform.scopeVersion)
        }
        scope = writer.bytes
        self.name = name
    }
}
