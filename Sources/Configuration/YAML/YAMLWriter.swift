extension YAML {
    /// The tree as block-style YAML in its own order, secrets masked: what `print-config` shows.
    ///
    /// Reading the text back gives the same tree (but for the masks): strings are quoted where they
    /// would be taken for something else, and `$` is doubled as in any configuration.
    /// - Parameter secretPaths: What the components' readers have marked, see
    ///   ``Diagnostics/secretPaths``. Keys that sound secret are masked besides, as are passwords
    ///   in URLs.
    public static func write(
        _ root: ConfigurationNode, masking secretPaths: Set<ConfigurationPath> = []
    ) -> String {
        var writer = YAMLWriter(secretPaths: secretPaths)
        writer.write(root)
        return writer.text
    }
}

private struct YAMLWriter {
    /// A longer key needs a `?` before it. Source: https://yaml.org/spec/1.2.2/#742-flow-mappings
    static let implicitKeyLengthMax = 1_024

    let secretPaths: Set<ConfigurationPath>
    var text = ""

    mutating func write(_ root: ConfigurationNode) {
        let path = ConfigurationPath()
        if let entries = root.entries, !entries.isEmpty {
            write(entries, path, indentation: 0, isInline: false)
        } else if let list = root.list, !list.isEmpty {
            write(list, path, indentation: 0, isInline: false, isSecret: false)
        } else {
            text += scalar(root, isSecret: false) + "\n"
        }
    }

    /// - Parameter isInline: Whether the first line continues one that is begun: `- key: value`.
    private mutating func write(
        _ entries: [ConfigurationNode.Entry], _ path: ConfigurationPath, indentation: Int,
        isInline: Bool, isSecret: Bool = false
    ) {
        for (index, entry) in entries.enumerated() {
            if index > 0 || !isInline { indent(indentation) }
            let entryPath = path.appending(entry.key)
            // Keys aren't expanded, so that their dollars stay single.
            let key = plainOrQuoted(entry.key)
            if key.unicodeScalars.count > YAMLWriter.implicitKeyLengthMax {
                text += "? \(key)\n"
                indent(indentation)
                text += ":"
            } else {
                text += key + ":"
            }
            write(
                value: entry.value, entryPath, indentation: indentation,
                isSecret: isSecret || self.isSecret(entryPath, key: entry.key))
        }
    }

    /// What follows a key's `:`.
    private mutating func write(
        value: ConfigurationNode, _ path: ConfigurationPath, indentation: Int, isSecret: Bool
    ) {
        if let entries = value.entries, !entries.isEmpty {
            text += "\n"
            write(
                entries, path, indentation: indentation + 2, isInline: false, isSecret: isSecret)
        } else if let list = value.list, !list.isEmpty {
            text += "\n"
            write(list, path, indentation: indentation + 2, isInline: false, isSecret: isSecret)
        } else if value.isNull {
            text += "\n"
        } else {
            text += " " + scalar(value, isSecret: isSecret) + "\n"
        }
    }

    private mutating func write(
        _ list: [ConfigurationNode], _ path: ConfigurationPath, indentation: Int, isInline: Bool,
        isSecret: Bool
    ) {
        for (index, element) in list.enumerated() {
            if index > 0 || !isInline { indent(indentation) }
            text += "- "
            let elementPath = path.appending(index: index)
            if let entries = element.entries, !entries.isEmpty {
                write(
                    entries, elementPath, indentation: indentation + 2, isInline: true,
                    isSecret: isSecret)
            } else if let nested = element.list, !nested.isEmpty {
                write(
                    nested, elementPath, indentation: indentation + 2, isInline: true,
                    isSecret: isSecret)
            } else {
                text += scalar(element, isSecret: isSecret) + "\n"
            }
        }
    }

    private mutating func indent(_ count: Int) {
        text += String(repeating: " ", count: count)
    }

    private func isSecret(_ path: ConfigurationPath, key: String) -> Bool {
        secretPaths.contains(path) || Secret.isLikely(key: key) || key == "headers"
    }

    private func scalar(_ node: ConfigurationNode, isSecret: Bool) -> String {
        switch node.content {
        case .null: return "null"
        case .list: return "[]"
        case .mapping: return "{}"
        case _ where isSecret: return "\"\(Secret.placeholder)\""
        case .bool(let bool): return "\(bool)"
        case .int(let int): return node.origin == .literal ? node.text ?? "\(int)" : "\(int)"
        case .double(let double): return written(double)
        case .string(let string):
            return plainOrQuoted(maskingPassword(in: string).replacing("$", with: "$$"))
        }
    }

    private func written(_ double: Double) -> String {
        if double.isNaN { return ".nan" }
        if double.isInfinite { return double < 0 ? "-.inf" : ".inf" }
        return "\(double)"
    }

    private func plainOrQuoted(_ string: String) -> String {
        isPlain(string) ? string : quoted(string)
    }

    /// Whether YAML reads the text as this very string without quotes, in block context.
    private func isPlain(_ string: String) -> Bool {
        guard case .string = YAMLScalar.type(string), string != "<<",
            let first = string.unicodeScalars.first, mayStart(first), !string.hasPrefix("...")
        else { return false }
        var previous: UInt8 = 0
        for byte in string.utf8 {
            // `: ` and ` #` mean something.
            if byte == UInt8(ascii: " "), previous == UInt8(ascii: ":") { return false }
            if byte == UInt8(ascii: "#"), previous == UInt8(ascii: " ") { return false }
            previous = byte
        }
        guard previous != UInt8(ascii: " "), previous != UInt8(ascii: ":") else { return false }
        return string.unicodeScalars.allSatisfy { $0 == " " || isPrintable($0) }
    }

    private func mayStart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "/", "_", "$", ".": true
        default: !scalar.isASCII && scalar.properties.isAlphabetic
        }
    }

    private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        // Nearly all are of these, and Unicode's tables are slow.
        if scalar.isASCII { return ("!"..."~").contains(scalar) }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator, .spaceSeparator:
            return false
        default: return true
        }
    }

    /// In double quotes. Source: https://yaml.org/spec/1.2.2/#57-escaped-characters
    private func quoted(_ string: String) -> String {
        var quoted = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case " ": quoted += " "
            case _ where isPrintable(scalar): quoted.unicodeScalars.append(scalar)
            default:
                let hex = String(scalar.value, radix: 16, uppercase: true)
                quoted += "\\U" + String(repeating: "0", count: 8 - hex.count) + hex
            }
        }
        return quoted + "\""
    }

    /// `postgres://user:secret@host` with the password masked.
    private func maskingPassword(in string: String) -> String {
        guard let scheme = string.firstRange(of: "://") else { return string }
        let authority = string[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@"),
            let colon = authority[..<at].firstIndex(of: ":")
        else { return string }
        return string[...colon] + Secret.placeholder + string[at...]
    }
}
