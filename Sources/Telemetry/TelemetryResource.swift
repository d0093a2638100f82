/// What Sluice's own telemetry says of the process: the resource of its spans, and the labels of
/// `target_info`.
public struct TelemetryResource: Sendable, Equatable {
    public indirect enum AttributeValue: Sendable, Equatable {
        case string(String)
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case list([AttributeValue])

        /// For a label: elements of a list stand between commas.
        var text: String {
            switch self {
            case .string(let text): text
            case .bool(let flag): "\(flag)"
            case .int(let number): "\(number)"
            case .double(let number): "\(number)"
            case .list(let values): values.map(\.text).joined(separator: ",")
            }
        }
    }

    public struct Attribute: Sendable, Equatable {
        public var name: String
        public var value: AttributeValue

        public init(name: String, value: AttributeValue) {
            self.name = name
            self.value = value
        }
    }

    /// In order; names are unique.
    public private(set) var attributes: [Attribute] = []
    public var schemaURL = ""

    public init() {}

    public mutating func set(_ name: String, _ value: AttributeValue) {
        if let index = attributes.firstIndex(where: { $0.name == name }) {
            attributes[index].value = value
        } else {
            attributes.append(Attribute(name: name, value: value))
        }
    }

    public mutating func remove(_ name: String) { attributes.removeAll { $0.name == name } }

    /// As Prometheus has it: whatever a label's name may not have is an underscore. Values of names
    /// that become the same are joined with `;`.
    ///
    /// Source: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
    var labels: [(name: String, value: String)] {
        var labels: [(name: String, value: String)] = []
        for attribute in attributes {
            let name = Self.labelName(attribute.name)
            let text = attribute.value.text
            if let index = labels.firstIndex(where: { $0.name == name }) {
                labels[index].value += ";" + text
            } else {
                labels.append((name, text))
            }
        }
        return labels
    }

    private static func labelName(_ name: String) -> String {
        let mapped = String(
            decoding: name.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    byte
                default: UInt8(ascii: "_")
                }
            }, as: UTF8.self)
        // Two underscores at the start are Prometheus' own.
        let isReserved = mapped.hasPrefix("__") || mapped.first?.isNumber ?? true
        return isReserved ? "key" + (mapped.hasPrefix("_") ? "" : "_") + mapped : mapped
    }
}

extension TelemetryResource: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, text) in elements { set(name, .string(text)) }
    }
}
