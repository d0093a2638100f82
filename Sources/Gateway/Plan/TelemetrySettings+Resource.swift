import Configuration
import Platform
import Telemetry

/// `service.telemetry.resource`, in the two forms that the Collector has: names and values, or the
/// list `attributes` beside `schema_url`.
extension TelemetrySettings {
    static let standardResource: TelemetryResource = [
        "service.name": "sluice", "service.version": Version.current,
    ]

    /// Keys of the newer form; each other key is an attribute.
    private static let sections: Set<String> = [
        "attributes", "attributes_list", "schema_url", "detectors", "detection/development",
    ]
    /// More would be a mistake: each is a label of `target_info`.
    private static let attributesMax = 128

    mutating func readResource(_ reader: inout MappingReader) {
        let names = reader.keys.filter { !Self.sections.contains($0) }
        for name in names { readLegacy(name, &reader) }
        let attributes = reader.list("attributes") { Self.readAttribute(&$0) }
        for case (let name, let value)? in attributes { resource.set(name, value) }
        if !names.isEmpty, !attributes.isEmpty {
            reader.error(
                at: "attributes", "cannot stand beside '\(names[0])': write all in one of the forms"
            )
        }
        if resource.attributes.count > Self.attributesMax {
            reader.error("has more than \(Self.attributesMax) attributes")
        }
        resource.schemaURL = reader.string("schema_url", default: "")
        reader.unsupported(
            "attributes_list", "is not supported, as in the Collector: 'attributes' is")
        reader.ignored(
            "detectors", "detection/development",
            because: "nothing is detected for Sluice's own telemetry")
    }

    /// Null leaves out what would be there.
    private mutating func readLegacy(_ name: String, _ reader: inout MappingReader) {
        if name.isEmpty {
            reader.error(at: name, "an attribute needs a name")
            _ = reader.node(name)
        } else if reader.node(name) == nil {
            resource.remove(name)
        } else if let text = reader.string(name) {
            resource.set(name, .string(text))
        }
    }

    private static func readAttribute(
        _ reader: inout MappingReader
    ) -> (String, TelemetryResource.AttributeValue)? {
        let name = reader.requiredString("name")
        // Values have the type that YAML gives them, which is what it would say.
        _ = reader.string("type")
        guard reader.require("value"), let node = reader.node("value") else { return nil }
        guard let value = value(node) else {
            reader.error(at: "value", "expected a text, number, boolean or a list of such")
            return nil
        }
        return name.isEmpty ? nil : (name, value)
    }

    private static func value(
        _ node: ConfigurationNode, isElement: Bool = false
    ) -> TelemetryResource.AttributeValue? {
        switch node.content {
        case .string(let text): return .string(text)
        case .bool(let flag): return .bool(flag)
        case .int(let number): return .int(number)
        case .double(let number): return .double(number)
        case .list(let nodes):
            let values = nodes.compactMap { value($0, isElement: true) }
            return isElement || values.count < nodes.count ? nil : .list(values)
        case .null: return node.origin == .expansion ? .string("") : nil
        case .mapping: return nil
        }
    }
}
