/// Collects what is wrong with a configuration, so that all of it is reported at once.
///
/// One is made for each load and shared by every reader of it; it belongs to one thread.
public final class Diagnostics {
    public enum Severity: String, Sendable {
        case error
        case warning
    }

    public struct Diagnostic: Sendable, Hashable {
        public var severity: Severity
        public var position: SourcePosition
        /// Empty for what concerns a file as a whole, such as its YAML syntax.
        public var path: ConfigurationPath
        public var message: String

        public init(
            _ severity: Severity, at position: SourcePosition, path: ConfigurationPath,
            _ message: String
        ) {
            self.severity = severity
            self.position = position
            self.path = path
            self.message = message
        }
    }

    /// More than this many are counted but not kept: nobody reads on, and a hostile file must
    /// not fill memory with complaints.
    public static let countMax = 1_000

    /// More than this many are counted but not printed, unless the caller asks for more.
    public static let printedCountMax = 50

    private var kept: [Diagnostic] = []
    public private(set) var errorCount = 0
    public private(set) var warningCount = 0

    /// Which settings their components have read as secrets; `print-config` masks these.
    public private(set) var secretPaths: Set<ConfigurationPath> = []

    /// Whether a source could not be read, or is not YAML: whatever seems to be missing may stand
    /// there, so that nothing else is to be said of it.
    public private(set) var isIncomplete = false

    public init() {}

    public var hasErrors: Bool { errorCount > 0 }

    func markIncomplete() { isIncomplete = true }

    public func error(
        at position: SourcePosition, path: ConfigurationPath = ConfigurationPath(),
        _ message: String
    ) {
        report(Diagnostic(.error, at: position, path: path, message))
    }

    public func warning(
        at position: SourcePosition, path: ConfigurationPath = ConfigurationPath(),
        _ message: String
    ) {
        report(Diagnostic(.warning, at: position, path: path, message))
    }

    public func report(_ diagnostic: Diagnostic) {
        switch diagnostic.severity {
        case .error: errorCount += 1
        case .warning: warningCount += 1
        }
        if !isFull { kept.append(diagnostic) }
    }

    public func markSecret(_ path: ConfigurationPath) {
        secretPaths.insert(path)
    }

    /// Whether what comes now is only counted.
    var isFull: Bool { kept.count >= Diagnostics.countMax }

    /// By file, line and column; at one place in the order found. Exact repetitions are left out,
    /// which an anchor used in several places would otherwise cause. A warning that says the same
    /// of several places is one, which names the second and counts the others.
    public var sorted: [Diagnostic] {
        var seen: Set<Diagnostic> = []
        // `sort` is documented as stable only in practice: the index makes it certain.
        let distinct = kept.enumerated()
            .sorted {
                ($0.element.position, $0.offset) < ($1.element.position, $1.offset)
            }
            .map(\.element)
            .filter { seen.insert($0).inserted }
        return Diagnostics.joiningWarnings(distinct)
    }

    private static func joiningWarnings(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
        var joined: [Diagnostic] = []
        var indexes: [String: Int] = [:]
        var others: [Int: (second: Diagnostic, count: Int)] = [:]
        for diagnostic in diagnostics {
            guard diagnostic.severity == .warning, let first = indexes[diagnostic.message] else {
                if diagnostic.severity == .warning {
                    indexes[diagnostic.message] = joined.count
                }
                joined.append(diagnostic)
                continue
            }
            others[first, default: (diagnostic, 0)].count += 1
        }
        for (index, (second, count)) in others {
            let place =
                second.path.components.isEmpty ? "\(second.position)" : "\(second.path)"
            joined[index].message +=
                " (also at \(place)\(count > 1 ? " and \(count - 1) more" : ""))"
        }
        return joined
    }

    /// One line a diagnostic: `gateway.yaml:7:5: error: exporters.otlp_http.endpont: unknown key…`.
    ///
    /// Source lines are not repeated below the message, as compilers do it: they may hold secrets.
    public func report(countMax: Int = printedCountMax) -> String {
        let sorted = self.sorted
        var lines = sorted.prefix(countMax).map(\.description)
        let leftOutCount =
            max(0, sorted.count - countMax) + (errorCount + warningCount - kept.count)
        if leftOutCount > 0 { lines.append("and \(leftOutCount) more") }
        return lines.joined(separator: "\n")
    }
}

extension Diagnostics.Diagnostic: CustomStringConvertible {
    public var description: String {
        let place = "\(position): \(severity.rawValue): "
        return path.components.isEmpty ? place + message : place + "\(path): \(message)"
    }
}
