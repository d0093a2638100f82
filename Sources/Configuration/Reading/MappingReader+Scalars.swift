extension MappingReader {
    public mutating func string(_ key: String) -> String? {
        guard let node = node(key) else { return nil }
        guard let string = node.string else {
            // Strict, as the Collector is: 1.10 meant as a version must not turn into 1.1.
            let hint = node.list == nil && node.entries == nil ? ": put it in quotes" : ""
            error(at: key, "expected a string, found \(describe(node, key))\(hint)")
            return nil
        }
        return string
    }

    public mutating func string(_ key: String, default standard: String) -> String {
        string(key) ?? standard
    }

    /// A string that must be there and not be empty; an error and `""` otherwise.
    public mutating func requiredString(_ key: String) -> String {
        guard require(key), let string = string(key) else { return "" }
        if string.isEmpty { error(at: key, "must not be empty") }
        return string
    }

    /// Reports an error and gives false if the key is absent or null.
    public mutating func require(_ key: String) -> Bool {
        if node(key) != nil { return true }
        miss(key, "is required but not given")
        return false
    }

    /// A string that is never shown: `print-config` masks it, messages don't quote it.
    public mutating func secret(_ key: String) -> Secret? {
        diagnostics.markSecret(path.appending(key))
        guard let node = node(key) else { return nil }
        guard let string = node.string else {
            error(at: key, "expected a string: put it in quotes")
            return nil
        }
        return Secret(string)
    }

    public mutating func bool(_ key: String) -> Bool? {
        guard let node = typedNode(key) else { return nil }
        guard let bool = node.bool else {
            error(at: key, "expected true or false, found \(describe(node, key))")
            return nil
        }
        return bool
    }

    public mutating func bool(_ key: String, default standard: Bool) -> Bool {
        bool(key) ?? standard
    }

    public mutating func int(
        _ key: String, in range: ClosedRange<Int> = Int.min...Int.max
    ) -> Int? {
        guard let node = typedNode(key) else { return nil }
        guard let int = node.int else {
            error(at: key, "expected an integer, found \(describe(node, key))")
            return nil
        }
        return check(Int(int), in: range, key, representable: .min ... .max) { "\($0)" }
    }

    public mutating func int(
        _ key: String, default standard: Int, in range: ClosedRange<Int> = Int.min...Int.max
    ) -> Int {
        int(key, in: range) ?? standard
    }

    /// A finite number; an integer will do.
    public mutating func double(
        _ key: String, in range: ClosedRange<Double> = Double.finite
    ) -> Double? {
        guard let node = typedNode(key) else { return nil }
        guard let double = node.double else {
            error(at: key, "expected a number, found \(describe(node, key))")
            return nil
        }
        if double.isNaN {
            error(at: key, "must be a number, found NaN")
            return nil
        }
        return check(double, in: range, key, representable: Double.finite) { "\($0)" }
    }

    public mutating func double(
        _ key: String, default standard: Double,
        in range: ClosedRange<Double> = Double.finite
    ) -> Double {
        double(key, in: range) ?? standard
    }

    /// In Go's syntax, see ``GoDuration``. Never negative unless `range` allows it.
    public mutating func duration(
        _ key: String, in range: ClosedRange<Duration> = .zero...GoDuration.max
    ) -> Duration? {
        guard let node = typedNode(key) else { return nil }
        if node.int == 0 { return checkDuration(.zero, in: range, key) }
        guard let string = node.durationText else {
            let hint =
                node.double == nil || node.origin == .expansion
                ? "" : "; add a unit, for example \(node.text ?? "1")s"
            error(
                at: key,
                "expected a duration such as 200ms or 1m30s, found \(describe(node, key))\(hint)")
            return nil
        }
        do throws(GoDuration.ParseError) {
            return checkDuration(try GoDuration.parse(string), in: range, key)
        } catch {
            let found = describe(node, key)
            let message =
                switch error {
                case .missingUnit: "expected a unit (ns, us, ms, s, m, h) in \(found)"
                case .unknownUnit(let unit):
                    "unknown unit '\(unit.shortened)' in \(found); the units are "
                        + "ns, us, ms, s, m, h"
                case .tooLong: "\(found) is too long: durations end at 292 years"
                case .notADuration: "expected a duration such as 200ms or 1m30s, found \(found)"
                }
            self.error(at: key, message)
            return nil
        }
    }

    public mutating func duration(
        _ key: String, default standard: Duration,
        in range: ClosedRange<Duration> = .zero...GoDuration.max
    ) -> Duration {
        duration(key, in: range) ?? standard
    }

    /// A size in bytes: a plain integer or with a unit, see ``ByteSize``.
    public mutating func bytes(
        _ key: String, in range: ClosedRange<Int> = 0...ByteSize.max
    ) -> Int? {
        guard let node = typedNode(key) else { return nil }
        guard let bytes = node.int.map({ Int($0) }) ?? node.string.flatMap(ByteSize.parse) else {
            error(
                at: key, "expected a size such as 64MiB or 1000000, found \(describe(node, key))")
            return nil
        }
        return check(bytes, in: range, key, representable: .min ... .max, ByteSize.format)
    }

    public mutating func bytes(
        _ key: String, default standard: Int, in range: ClosedRange<Int> = 0...ByteSize.max
    ) -> Int {
        bytes(key, in: range) ?? standard
    }

    /// One of an enumeration's raw values, compared exactly.
    public mutating func oneOf<Choice: CaseIterable & RawRepresentable>(
        _ key: String, as type: Choice.Type = Choice.self
    ) -> Choice? where Choice.RawValue == String {
        guard let string = string(key) else { return nil }
        if let choice = Choice(rawValue: string) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        let shown = names.map { $0.isEmpty ? "''" : $0 }.joined(separator: ", ")
        let nearest = nearestName(to: string, in: names).map { "; did you mean '\($0)'?" } ?? ""
        // Not `string`: it may have been fetched.
        let found = self.node(key).map { describe($0, key) } ?? ""
        error(at: key, "expected one of \(shown), found \(found)\(nearest)")
        return nil
    }

    /// As ``oneOf(_:default:)``, for the few values that the Collector takes in any case.
    public mutating func oneOfIgnoringCase<Choice: CaseIterable & RawRepresentable>(
        _ key: String, default standard: Choice
    ) -> Choice where Choice.RawValue == String {
        if let string = node(key)?.string, let choice = Choice(rawValue: string.lowercased()) {
            return choice
        }
        return oneOf(key) ?? standard
    }

    public mutating func oneOf<Choice: CaseIterable & RawRepresentable>(
        _ key: String, default standard: Choice
    ) -> Choice where Choice.RawValue == String {
        oneOf(key) ?? standard
    }

    /// As ``node(_:)``, but an expansion to nothing is nothing: only strings can be empty.
    mutating func typedNode(_ key: String) -> ConfigurationNode? {
        guard let node = node(key), !node.isNull else { return nil }
        return node
    }

    /// For messages: `node.summary`, unless the key's name says that this is a secret.
    func describe(_ node: ConfigurationNode, _ key: String) -> String {
        Secret.isLikely(key: key) ? node.kind : node.summary
    }

    private func checkDuration(
        _ duration: Duration, in range: ClosedRange<Duration>, _ key: String
    ) -> Duration? {
        check(
            duration, in: range, key, representable: (.zero - GoDuration.max)...GoDuration.max,
            GoDuration.format)
    }

    private func check<Value: Comparable>(
        _ value: Value, in range: ClosedRange<Value>, _ key: String,
        representable: ClosedRange<Value>, _ format: (Value) -> String
    ) -> Value? {
        if range.contains(value) { return value }
        let (low, high) = (format(range.lowerBound), format(range.upperBound))
        let limits =
            if range.upperBound == representable.upperBound {
                "at least \(low)"
            } else if range.lowerBound == representable.lowerBound {
                "at most \(high)"
            } else {
                "between \(low) and \(high)"
            }
        let found = entry(key).map { ", found \(describe($0.value, key))" } ?? ""
        error(at: key, "must be \(limits)\(found)")
        return nil
    }
}

extension ConfigurationNode {
    /// A string, but not the verbatim text of a fetched number: `5` from the environment is no
    /// better a duration than `5` in the file.
    fileprivate var durationText: String? {
        if case .string(let string) = content { string } else { nil }
    }
}

extension Double {
    /// Every number but the infinities and NaN.
    public static let finite = -greatestFiniteMagnitude...greatestFiniteMagnitude
}
