/// Which component types there are, as the configuration's reader needs to know it.
public struct ComponentCatalogue: Sendable {
    /// The types of one kind.
    public struct Types: Sendable {
        public var built: Set<String>
        /// Other names for built or known types: `otlphttp` for `otlp_http`.
        public var aliases: [String: String]
        /// Aliases that the Collector itself has given up; each that is used is a warning.
        public var outdated: Set<String>
        /// Types of the Collector that aren't built, and what to do instead, as a sentence:
        /// `isn't built yet; use otlp_http`.
        public var notBuilt: [String: String]
        /// Types that are accepted and do nothing, and why that does no harm.
        public var ignored: [String: String]

        public init(
            built: Set<String> = [], aliases: [String: String] = [:], outdated: Set<String> = [],
            notBuilt: [String: String] = [:], ignored: [String: String] = [:]
        ) {
            self.built = built
            self.aliases = aliases
            self.outdated = outdated
            self.notBuilt = notBuilt
            self.ignored = ignored
        }
    }

    private var typesByKind: [ComponentKind: Types]

    /// A kind without an entry has no types.
    public init(_ typesByKind: [ComponentKind: Types]) {
        self.typesByKind = typesByKind
    }

    public subscript(kind: ComponentKind) -> Types {
        get { typesByKind[kind] ?? Types() }
        set { typesByKind[kind] = newValue }
    }
}
