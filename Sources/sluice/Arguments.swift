import Configuration

/// The options of one command: `--name value` or `--name=value`, each known by name; and flags,
/// which have no value.
struct Arguments {
    private(set) var positional: [String] = []
    private var options: [(name: String, value: String)] = []
    private var flags: Set<String> = []

    /// - Parameters:
    ///   - names: options that take a value.
    ///   - flagNames: options that take none.
    init(
        _ arguments: [String], options names: Set<String>, flags flagNames: Set<String> = []
    ) throws(UsageError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-"), argument != "-" else {
                positional.append(argument)
                continue
            }
            if flagNames.contains(argument) {
                flags.insert(argument)
                continue
            }
            let parts = argument.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard names.contains(name) else { throw UsageError("no option '\(name)'") }
            if parts.count == 2 {
                options.append((name, String(parts[1])))
            } else if let value = rest.popFirst() {
                options.append((name, value))
            } else {
                throw UsageError("'\(name)' needs a value")
            }
        }
    }

    func values(_ name: String) -> [String] {
        options.filter { $0.name == name }.map(\.value)
    }

    /// The last one given, as usual on a command line.
    func value(_ name: String) -> String? { values(name).last }

    func has(_ flag: String) -> Bool { flags.contains(flag) }

    func integer(_ name: String) throws(UsageError) -> Int? {
        guard let text = value(name) else { return nil }
        guard let value = Int(text) else { throw UsageError("\(name): expected an integer") }
        return value
    }

    func duration(_ name: String) throws(UsageError) -> Duration? {
        guard let text = value(name) else { return nil }
        guard let duration = try? GoDuration.parse(text) else {
            throw UsageError("\(name): expected a duration such as 30s or 5m")
        }
        return duration
    }

    func refusePositional() throws(UsageError) {
        if let first = positional.first { throw UsageError("unexpected argument '\(first)'") }
    }
}
