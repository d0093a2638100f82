import Configuration
import Gateway
import Platform

let validateCommand = Command(
    name: "validate", summary: "check a configuration, and report everything that is wrong",
    help: """
        usage: sluice validate [--config FILE]... [--set KEY=VALUE]...

        Reads a configuration as 'sluice run' would, opens nothing, and prints each error and
        warning with file, line, column and key. Exits 0 if it could run, 1 if not.

        \(ConfigurationArguments.help)
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(arguments, options: ConfigurationArguments.names)
    try arguments.refusePositional()
    guard ConfigurationArguments(arguments).load() != nil else { return .failure }
    printOut("valid")
    return .success
}

let printConfigCommand = Command(
    name: "print-config", summary: "print the merged and expanded configuration, secrets masked",
    help: """
        usage: sluice print-config [--config FILE]... [--set KEY=VALUE]...

        Prints what 'sluice run' would read: all files merged, variables expanded, secrets masked.

        \(ConfigurationArguments.help)
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let arguments = try Arguments(arguments, options: ConfigurationArguments.names)
    try arguments.refusePositional()
    guard let (_, root, secrets) = ConfigurationArguments(arguments).load() else {
        return .failure
    }
    // The writer ends its last line itself.
    printOut(String(YAML.write(root, masking: secrets).dropLast()))
    return .success
}

let componentsCommand = Command(
    name: "components", summary: "list the components that a configuration can name",
    help: """
        usage: sluice components

        Lists receivers, processors, exporters and extensions, with the signals that each is for.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    try Arguments(arguments, options: []).refusePositional()
    printOut(Catalogue.listing)
    return .success
}

let versionCommand = Command(
    name: "version", summary: "print the version",
    help: """
        usage: sluice version
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    try Arguments(arguments, options: []).refusePositional()
    printOut("sluice \(Version.current)")
    return .success
}
