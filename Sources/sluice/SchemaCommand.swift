import Configuration
import Exporters
import Gateway
import Pipeline
import Platform
import Telemetry

let schemaCommand = Command(
    name: "schema", summary: "print, make and look at the tables in PostgreSQL",
    help: """
        usage: sluice schema status [DATABASE]
               sluice schema apply  [DATABASE]
               sluice schema print  [--schema NAME] [--after VERSION]

        status   what the database has, and whether this version can write to it
        apply    makes or migrates the schema, as a gateway with 'schema.apply: true' does at start
        print    the SQL of it, for a gateway that may not make tables: run it with psql as their
                 owner, then grant what docs/postgres.md lists

        DATABASE, otherwise what PGHOST, PGUSER and the like say:
          --connection TEXT   a libpq URI or keyword string; a password is better in a pass file
          --schema NAME       the schema in it (default otel)
        or as an exporter of a configuration has it:
        \(ConfigurationArguments.help)
          --exporter ID       which one, where there are several (postgres/archive)

          --after VERSION     leaves out the migrations that a database has already

        Exit codes: 0 done, and with status: nothing to do; 1 it did not work, or there is; 2 wrong
        usage.
        """
) { (arguments: [String]) throws(UsageError) -> ExitCode in
    let names: Set<String> = ["--connection", "--schema", "--exporter", "--after"]
    let arguments = try Arguments(
        arguments, options: ConfigurationArguments.names.union(names))
    guard let verb = arguments.positional.first, arguments.positional.count == 1,
        ["print", "status", "apply"].contains(verb)
    else { throw UsageError("expected print, status or apply") }
    guard let database = try SchemaDatabase(arguments) else { return .failure }
    if verb == "print" {
        let version = try arguments.integer("--after") ?? 0
        printOut(PostgresScript.text(schema: database.schema, after: version))
        return .success
    }
    return report(on: database, applying: verb == "apply")
}

private func report(on database: SchemaDatabase, applying: Bool) -> ExitCode {
    do throws(ComponentError) {
        let administration = try PostgresAdministration(
            connectionString: database.connection, schema: database.schema)
        let log = Logger(
            LogOutput(
                level: .warn, encoding: .text, clock: SystemClock(), sink: StandardError.sink))
        if applying { try administration.apply(log: log) }
        let report = try administration.status(log: log)
        let width = report.lines.map(\.name.count).max() ?? 0
        for line in report.lines {
            let padding = String(repeating: " ", count: width + 2 - line.name.count)
            printOut(line.name + padding + line.value)
        }
        return report.isCurrent ? .success : .failure
    } catch {
        printError("sluice schema: \(error)")
        return .failure
    }
}

/// Which schema of which database is meant.
private struct SchemaDatabase {
    var connection = Secret("")
    var schema = "otel"

    private static let types: Set<String> = ["postgres", "postgresql"]

    /// Nil where the configuration has errors, which were reported.
    init?(_ arguments: Arguments) throws(UsageError) {
        let configuration = ConfigurationArguments(arguments)
        if !configuration.isDefault {
            guard let (_, root, _) = configuration.load() else { return nil }
            try read(root, exporter: arguments.value("--exporter"))
        } else if arguments.value("--exporter") != nil {
            throw UsageError("--exporter goes with --config")
        }
        if let text = arguments.value("--connection") { connection = Secret(text) }
        schema = arguments.value("--schema") ?? schema
        guard PostgresScript.accepts(schema: schema) else {
            throw UsageError("--schema: expected up to 63 ASCII letters, digits and underscores")
        }
    }

    private mutating func read(
        _ root: ConfigurationNode, exporter wanted: String?
    ) throws(UsageError) {
        let exporters = (root["exporters"]?.entries ?? []).filter { entry in
            let type = entry.key.prefix { $0 != "/" }
            return Self.types.contains(String(type)) && (wanted == nil || wanted == entry.key)
        }
        guard let exporter = exporters.first else {
            throw UsageError("the configuration has no exporter '\(wanted ?? "postgres")'")
        }
        guard exporters.count == 1 else {
            let ids = exporters.map(\.key).joined(separator: ", ")
            throw UsageError("--exporter: say which of \(ids)")
        }
        connection = Secret(exporter.value["connection"]?.string ?? "")
        schema = exporter.value["schema"]?["name"]?.string ?? schema
    }
}
