/// Runs the detectors once, in their order.
struct Detection {
    let settings: ResourceDetectionSettings
    let sources: DetectionSources
    var attributes = DetectedAttributes()
    /// What could not be read, in words for the log.
    private(set) var problems: [String] = []

    init(_ settings: ResourceDetectionSettings, _ sources: DetectionSources) {
        self.settings = settings
        self.sources = sources
    }

    mutating func noteUnreadable(_ path: String) { problems.append("\(path) is not as expected") }

    mutating func run() {
        for detector in settings.detectors {
            attributes.hidden = settings.hiddenAttributes[detector] ?? []
            switch detector {
            case .environment: detectEnvironment()
            case .system: detectSystem()
            case .container, .docker: detectContainer(detector)
            case .kubernetes: detectKubernetes()
            case .kubernetesNode, .kubernetesAPI: detectNode(detector)
            case .lambda: detectLambda()
            case .heroku: detectHeroku()
            case .elasticBeanstalk: detectElasticBeanstalk()
            case .dynatrace: detectDynatrace()
            }
        }
    }

    /// OpenTelemetry, "Environment Variable Specification": `OTEL_SERVICE_NAME` goes before a
    /// `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.
    private mutating func detectEnvironment() {
        attributes.add("service.name", sources.environment("OTEL_SERVICE_NAME"))
        guard let text = sources.environment("OTEL_RESOURCE_ATTRIBUTES") else { return }
        guard let pairs = ResourceAttributesVariable.parse(text) else {
            problems.append("OTEL_RESOURCE_ATTRIBUTES is not key=value,… in percent-encoding")
            return
        }
        for (key, value) in pairs { attributes.add(key, value) }
    }

    private mutating func detectSystem() {
        let enabled = settings.systemAttributes
        if enabled.contains("host.name") { attributes.add("host.name", hostName()) }
        if enabled.contains("os.type") { attributes.add("os.type", "linux") }
        if enabled.contains("host.arch") { attributes.add("host.arch", Self.architecture) }
        if enabled.contains("host.id") {
            let id = sources.file("/etc/machine-id") ?? sources.file("/var/lib/dbus/machine-id")
            if id == nil { problems.append("/etc/machine-id cannot be read, so no host.id") }
            attributes.add("host.id", id?.split(separator: "\n").first.map(String.init))
        }
        if !enabled.isDisjoint(with: ["os.description", "os.version", "os.name", "os.build.id"]) {
            detectSystemRelease(enabled)
        }
        if !enabled.isDisjoint(with: ["host.ip", "host.mac", "host.interface"]) {
            detectNetwork(enabled)
        }
        if enabled.contains(where: { $0.hasPrefix("host.cpu.") }) { detectProcessor(enabled) }
    }

    /// Interfaces that are up, but for loopback.
    private mutating func detectNetwork(_ enabled: Set<String>) {
        let interfaces = sources.interfaces()
        if enabled.contains("host.ip") {
            attributes.add("host.ip", .strings(interfaces.flatMap(\.addresses)))
        }
        if enabled.contains("host.mac") {
            // IEEE RA's form, as the semantic conventions want it.
            let macs = interfaces.compactMap { interface in
                sources.file("/sys/class/net/\(interface.name)/address").map {
                    String($0.prefix { $0 != "\n" }.uppercased().map { $0 == ":" ? "-" : $0 })
                }
            }
            attributes.add("host.mac", .strings(macs.filter { !$0.isEmpty }))
        }
        if enabled.contains("host.interface") {
            attributes.add("host.interface", .strings(interfaces.map(\.name)))
        }
    }

    /// proc(5): of the first processor.
    private mutating func detectProcessor(_ enabled: Set<String>) {
        let text = sources.file("/proc/cpuinfo") ?? ""
        var values: [String: String] = [:]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty, !values.isEmpty { break }
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            values[Self.trimmed(parts[0])] = Self.trimmed(parts[1])
        }
        let keys = [
            ("host.cpu.vendor.id", "vendor_id"), ("host.cpu.family", "cpu family"),
            ("host.cpu.model.id", "model"), ("host.cpu.model.name", "model name"),
            ("host.cpu.stepping", "stepping"),
        ]
        for (key, name) in keys where enabled.contains(key) { attributes.add(key, values[name]) }
        // In bytes, as the semantic conventions have it; the kernel says KiB.
        if enabled.contains("host.cpu.cache.l2.size"), let size = values["cache size"],
            let kibibytes = Int64(size.prefix { $0.isNumber }), kibibytes < 1 << 40
        {
            attributes.add("host.cpu.cache.l2.size", .int(kibibytes << 10))
        }
    }

    static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    /// os-release(5): shell assignments, most of them in quotes.
    private mutating func detectSystemRelease(_ enabled: Set<String>) {
        let text = sources.file("/etc/os-release") ?? sources.file("/usr/lib/os-release") ?? ""
        var values: [Substring: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            values[parts[0]] = String(parts[1].filter { $0 != "\"" && $0 != "'" })
        }
        let keys = [
            ("os.description", "PRETTY_NAME"), ("os.name", "NAME"), ("os.version", "VERSION_ID"),
            ("os.build.id", "BUILD_ID"),
        ]
        for (key, variable) in keys where enabled.contains(key) {
            attributes.add(key, values[variable[...]])
        }
    }

    /// The first source that knows a name.
    private mutating func hostName() -> String? {
        let name = sources.hostName()
        for source in settings.hostNameSources {
            switch source {
            case .os: return name
            case .lookup:
                if let found = sources.reverseName(name, settings.timeout) {
                    return found.hasSuffix(".") ? String(found.dropLast()) : found
                }
            case .dns, .cname:
                if let canonical = sources.canonicalName(name, settings.timeout) {
                    return canonical.hasSuffix(".") ? String(canonical.dropLast()) : canonical
                }
            }
        }
        problems.append("no source in hostname_sources knows the host's name")
        return nil
    }

    private mutating func detectContainer(_ detector: Detector) {
        let id =
            sources.file("/proc/self/mountinfo").flatMap(ContainerID.find(inMounts:))
            ?? sources.file("/proc/self/cgroup").flatMap(ContainerID.find(inControlGroups:))
        attributes.add("container.id", id)
        // What the Collector's detector learns from the engine, as far as the kernel knows it.
        if detector == .docker {
            attributes.add("host.name", sources.hostName())
            attributes.add("os.type", "linux")
        }
    }

    private mutating func detectKubernetes() {
        for (key, variables) in KubernetesVariables.all {
            attributes.add(key, variables.lazy.compactMap(sources.environment).first)
        }
    }

    private mutating func detectNode(_ detector: Detector) {
        guard let name = sources.environment(settings.nodeVariable), !name.isEmpty else {
            problems.append(
                "\(settings.nodeVariable) is not set: give it spec.nodeName by the downward API")
            return
        }
        attributes.add("k8s.node.name", name)
    }

    /// OpenTelemetry's names for `host.arch`.
    static var architecture: String {
        #if arch(x86_64)
            "amd64"
        #elseif arch(arm64)
            "arm64"
        #else
            "other"
        #endif
    }
}

/// Variables that a pod's manifest sets from its own fields. There is no standard for their names:
/// these are the ones that OpenTelemetry's own charts and operator use, the commoner first.
enum KubernetesVariables {
    static let all: [(key: String, variables: [String])] = [
        ("k8s.cluster.name", ["K8S_CLUSTER_NAME", "KUBE_CLUSTER_NAME"]),
        (
            "k8s.node.name",
            ["K8S_NODE_NAME", "KUBE_NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME"]
        ),
        ("k8s.namespace.name", ["K8S_NAMESPACE_NAME", "K8S_NAMESPACE", "POD_NAMESPACE"]),
        ("k8s.pod.name", ["K8S_POD_NAME", "POD_NAME", "OTEL_RESOURCE_ATTRIBUTES_POD_NAME"]),
        ("k8s.pod.uid", ["K8S_POD_UID", "POD_UID"]),
        ("k8s.pod.ip", ["K8S_POD_IP", "POD_IP"]),
        ("k8s.container.name", ["K8S_CONTAINER_NAME", "CONTAINER_NAME"]),
        ("k8s.deployment.name", ["K8S_DEPLOYMENT_NAME"]),
    ]
}
