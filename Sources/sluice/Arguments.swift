/// The options of one command: `--name value` or `--name=value`, each known by name.
struct Arguments {
    private(set) var positional: [String] = []
    private var options: [(name: String, value: String)] = []

    /// - Parameter names: options that take a value.
    init(_ arguments: [String], options names: Set<String>) throws(UsageError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-"), argument != "-" else {
                positional.append(argument)
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

    func refusePositional() throws(UsageError) {
        if let first = positional.first { throw UsageError("unexpected argument '\(first)'") }
    }
}
