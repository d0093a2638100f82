/// The keys and list indexes that lead from the root to a node: `exporters.otlp_http.headers`.
public struct ConfigurationPath: Sendable, Hashable {
    public enum Component: Sendable, Hashable {
        case key(String)
        /// Counted from 0, as `--set` and every YAML tool count.
        case index(Int)
    }

    public private(set) var components: [Component]

    public init(_ keys: String...) {
        components = keys.map { .key($0) }
    }

    public func appending(_ key: String) -> ConfigurationPath { appending(.key(key)) }

    public func appending(index: Int) -> ConfigurationPath { appending(.index(index)) }

    private func appending(_ component: Component) -> ConfigurationPath {
        var longer = self
        longer.components.append(component)
        return longer
    }

    /// The last key on the way here: for `tokens[2]` that is `tokens`.
    public var lastKey: String? {
        for case .key(let key) in components.reversed() { return key }
        return nil
    }
}

extension ConfigurationPath: CustomStringConvertible {
    /// Keys joined by dots, indexes in brackets; a key that itself holds a dot is quoted.
    public var description: String {
        var text = ""
        for component in components {
            switch component {
            case .index(let index): text += "[\(index)]"
            case .key(let key):
                if !text.isEmpty { text += "." }
                text += key.contains(".") || key.isEmpty ? "\"\(key)\"" : key
            }
        }
        return text
    }
}
