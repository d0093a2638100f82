import Configuration

public struct ResourceDetectionSettings: Sendable {
    enum HostNameSource: String, Sendable, CaseIterable {
        case os, dns, cname
    }

    var detectors: [Detector] = []
    var overrides = true
    var timeout = Duration.seconds(5)
    var hostNameSources: [HostNameSource] = [.dns, .os]
    /// The names of those that are on.
    var systemAttributes: Set<String> = ["host.name", "os.type"]
    var nodeVariable = ResourceDetectionSettings.nodeVariableStandard

    static let nodeVariableStandard = "K8S_NODE_NAME"

    init() {}

    init(_ reader: inout MappingReader) {
        readDetectors(&reader)
        overrides = reader.bool("override", default: overrides)
        timeout = reader.duration("timeout", default: timeout)
        _ = reader.mapping("system") { system in readSystem(&system) }
        for name in ["k8snode", "k8s_api"] {
            _ = reader.mapping(name) { node in
                nodeVariable = node.string("node_from_env_var", default: nodeVariable)
                node.ignored(
                    "auth_type", "context", "kube_config_path", "resource_attributes",
                    because: "the node's name comes from its variable alone")
            }
        }
        _ = reader.mapping("docker") { docker in
            docker.ignored(
                "resource_attributes",
                because: "container.id, host.name and os.type are all there is")
        }
        reader.ignored("refresh_interval", because: "what is detected here does not change")
        reader.ignored(
            "retry", "fail_on_missing_metadata", because: "no detector asks a network service")
        for name in Detector.unsupported.sorted() {
            reader.ignored(name, because: "that detector is not built")
        }
    }

    private mutating func readDetectors(_ reader: inout MappingReader) {
        let known = Detector.allCases.map(\.rawValue).joined(separator: ", ")
        for name in reader.strings("detectors", default: [Detector.environment.rawValue]) {
            if let detector = Detector(rawValue: name) {
                detectors.append(detector)
            } else if Detector.unsupported.contains(name) {
                reader.error(
                    at: "detectors",
                    "\(name) asks a network service and is not built: put its attributes into "
                        + "OTEL_RESOURCE_ATTRIBUTES and use env, or set them with the resource "
                        + "processor")
            } else {
                reader.error(at: "detectors", "unknown detector '\(name)'; known are \(known)")
            }
        }
    }

    private mutating func readSystem(_ reader: inout MappingReader) {
        if let names = reader.strings("hostname_sources"), !names.isEmpty {
            hostNameSources = names.compactMap { name in
                if let source = HostNameSource(rawValue: name) { return source }
                let hint = name == "lookup" ? "lookup is not built; " : ""
                reader.error(at: "hostname_sources", "\(hint)expected os, dns or cname")
                return nil
            }
        }
        let switches = reader.mapping("resource_attributes") { attributes in
            Self.readSwitches(&attributes)
        }
        for (name, isOn) in switches ?? [] {
            if isOn { systemAttributes.insert(name) } else { systemAttributes.remove(name) }
        }
    }

    private static let systemNames = [
        "host.name", "host.id", "host.arch", "os.type", "os.description", "os.name", "os.version",
    ]
    /// The Collector knows these as well, all of them off by default.
    private static let unsupportedSystemNames = [
        "host.ip", "host.mac", "host.interface", "host.cpu.vendor.id", "host.cpu.family",
        "host.cpu.model.id", "host.cpu.model.name", "host.cpu.stepping",
        "host.cpu.cache.l2.size", "os.build.id",
    ]

    private static func readSwitches(
        _ reader: inout MappingReader
    ) -> [(name: String, isOn: Bool)] {
        var switches: [(String, Bool)] = []
        for name in systemNames + unsupportedSystemNames {
            guard let isOn = reader.mapping(name, read: { $0.bool("enabled") }).flatMap(\.self)
            else { continue }
            if isOn, unsupportedSystemNames.contains(name) {
                reader.error(at: name, "is not built: set it with the resource processor")
            } else {
                switches.append((name, isOn))
            }
        }
        return switches
    }
}
