import Configuration

public struct ResourceDetectionSettings: Sendable {
    enum HostNameSource: String, Sendable, CaseIterable {
        case os, dns, cname, lookup
    }

    var detectors: [Detector] = []
    var overrides = true
    var timeout = Duration.seconds(5)
    var hostNameSources: [HostNameSource] = [.dns, .os]
    /// The names of those that are on.
    var systemAttributes: Set<String> = ["host.name", "os.type"]
    var nodeVariable = ResourceDetectionSettings.nodeVariableStandard
    /// What `resource_attributes` turns off, of detectors whose attributes are all on.
    var hiddenAttributes: [Detector: Set<String>] = [:]

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
        for detector in Detector.allCases where Self.hasSwitches(detector) {
            _ = reader.mapping(detector.rawValue) { section in
                hiddenAttributes[detector] = Self.readHidden(&section)
            }
        }
        reader.ignored("refresh_interval", because: "what is detected here does not change")
        reader.ignored(
            "retry", "fail_on_missing_metadata", "endpoint", "proxy_url", "tls",
            "read_buffer_size", "write_buffer_size", "headers", "auth", "compression",
            "compression_params", "max_idle_conns", "max_idle_conns_per_host",
            "max_conns_per_host", "idle_conn_timeout", "disable_keep_alives",
            "http2_read_idle_timeout", "http2_ping_timeout", "cookies", "force_attempt_http2",
            "middlewares", because: "no detector asks a network service")
        for name in Detector.unsupported.sorted() {
            reader.ignored(name, because: "that detector is not built, and finds nothing")
        }
    }

    private static func hasSwitches(_ detector: Detector) -> Bool {
        ![.system, .kubernetesNode, .kubernetesAPI].contains(detector)
    }

    private static func readHidden(_ reader: inout MappingReader) -> Set<String> {
        var hidden: Set<String> = []
        _ = reader.mapping("resource_attributes") { attributes in
            for name in attributes.keys {
                let isOn = attributes.mapping(name) { $0.bool("enabled", default: true) }
                if isOn == false { hidden.insert(name) }
            }
        }
        return hidden
    }

    private mutating func readDetectors(_ reader: inout MappingReader) {
        let known = Detector.allCases.map(\.rawValue).joined(separator: ", ")
        var unsupported: [String] = []
        for name in reader.strings("detectors", default: [Detector.environment.rawValue]) {
            if let detector = Detector(name: name) {
                detectors.append(detector)
            } else if Detector.unsupported.contains(name) {
                unsupported.append(name)
            } else {
                reader.error(at: "detectors", "unknown detector '\(name)'; known are \(known)")
            }
        }
        if !unsupported.isEmpty {
            reader.warning(
                at: "detectors",
                "\(unsupported.joined(separator: ", ")) would ask a network service, and find "
                    + "nothing here: in that cloud put its attributes into "
                    + "OTEL_RESOURCE_ATTRIBUTES and use env, or set them with the resource "
                    + "processor")
        }
    }

    private mutating func readSystem(_ reader: inout MappingReader) {
        if let names = reader.strings("hostname_sources"), !names.isEmpty {
            hostNameSources = names.compactMap { name in
                if let source = HostNameSource(rawValue: name) { return source }
                reader.error(
                    at: "hostname_sources", "expected os, dns, cname or lookup, found '\(name)'")
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
        "os.build.id", "host.ip", "host.mac", "host.interface", "host.cpu.vendor.id",
        "host.cpu.family", "host.cpu.model.id", "host.cpu.model.name", "host.cpu.stepping",
        "host.cpu.cache.l2.size",
    ]

    private static func readSwitches(
        _ reader: inout MappingReader
    ) -> [(name: String, isOn: Bool)] {
        var switches: [(String, Bool)] = []
        for name in systemNames {
            guard let isOn = reader.mapping(name, read: { $0.bool("enabled") }).flatMap(\.self)
            else { continue }
            switches.append((name, isOn))
        }
        return switches
    }
}
