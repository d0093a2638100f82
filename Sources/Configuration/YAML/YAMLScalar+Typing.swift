extension YAMLScalar {
    /// The value by YAML 1.2's core schema with the Collector's YAML library's extensions, or nil
    /// if its tag isn't known or doesn't fit.
    ///
    /// Beyond the core schema Go's library reads `0b101`, a leading 0 as octal, and `_` between
    /// digits. `yes`, `on` and the like are strings, as are dates.
    /// Source: https://yaml.org/spec/1.2.2/#103-core-schema
    func content() -> ConfigurationNode.Content? {
        switch tag {
        case nil: return isPlain ? YAMLScalar.type(value) : .string(value)
        case "!", "tag:yaml.org,2002:str": return .string(value)
        case "tag:yaml.org,2002:null":
            if case .null = YAMLScalar.type(value) { return .null }
        case "tag:yaml.org,2002:bool":
            if case .bool(let bool) = YAMLScalar.type(value) { return .bool(bool) }
        case "tag:yaml.org,2002:int":
            if case .int(let int) = YAMLScalar.type(value) { return .int(int) }
        case "tag:yaml.org,2002:float":
            switch YAMLScalar.type(value) {
            case .double(let double): return .double(double)
            case .int(let int): return .double(Double(int))
            default: return nil
            }
        default: return nil
        }
        return nil
    }

    /// The type that a plain scalar's text gives it.
    static func type(_ text: String) -> ConfigurationNode.Content {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".nan", ".NaN", ".NAN": return .double(.nan)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .double(.infinity)
        case "-.inf", "-.Inf", "-.INF": return .double(-.infinity)
        default: break
        }
        guard let first = text.utf8.first, isNumeric(first) else { return .string(text) }
        let number = text.filter { $0 != "_" }
        if let int = integer(number) { return .int(int) }
        if isDecimal(number), let double = Double(number) { return .double(double) }
        return .string(text)
    }

    private static func isNumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: ".")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// `[-+]?(0x…|0o…|0b…|0…|…)`; nil if it isn't of that form or doesn't fit 64 bits.
    private static func integer(_ text: String) -> Int64? {
        var digits = Substring(text)
        let sign = digits.first == "-" || digits.first == "+" ? digits.removeFirst() : "+"
        var radix = 10
        for (prefix, prefixRadix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2)]
        where digits.hasPrefix(prefix) {
            digits.removeFirst(2)
            radix = prefixRadix
        }
        if radix == 10, digits.hasPrefix("0"), digits.count > 1 { radix = 8 }
        // The initialiser below would take a second sign.
        guard let first = digits.first, first != "-", first != "+" else { return nil }
        return Int64("\(sign)\(digits)", radix: radix)
    }

    /// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`: narrower than what `Double` takes.
    private static func isDecimal(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        func skipSign() {
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") {
                rest.removeFirst()
            }
        }
        func skipDigits() -> Int {
            let count = rest.prefix(while: isDigit).count
            rest.removeFirst(count)
            return count
        }
        skipSign()
        let wholeCount = skipDigits()
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            if skipDigits() == 0, wholeCount == 0 { return false }
        } else if wholeCount == 0 {
            return false
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest.removeFirst()
            skipSign()
            if skipDigits() == 0 { return false }
        }
        return rest.isEmpty
    }
}
