import OTLP

/// Which items of a batch `include` and `exclude` leave: asked for each in order. What holds for a
/// whole resource or scope is found out once for it.
struct ItemSelection {
    private struct Side {
        let matcher: ItemMatcher
        var matchesResource = false
        var matchesScope = false

        /// - Parameter resource: nil where it is the one before.
        mutating func enter(
            _ scope: ScopeEntry, _ resource: ResourceEntry?, _ payload: RawSpan,
            _ memory: MatchMemory?
        ) {
            if let resource {
                matchesResource = matcher.matchesResource(resource, payload, memory)
            }
            matchesScope = matcher.matchesScope(scope, payload, memory)
        }

        func matches(
            _ item: ItemEntry, _ index: TelemetryIndex, _ payload: RawSpan, _ memory: MatchMemory?
        ) -> Bool {
            matchesResource && matchesScope && matcher.matchesItem(item, index, payload, memory)
        }
    }

    private var include: Side?
    private var exclude: Side?
    private let memory: MatchMemory?
    private var resource = -1
    private var scope = -1

    var limitReachedCount: Int { memory?.limitReachedCount ?? 0 }

    init(include: ItemMatcher?, exclude: ItemMatcher?) {
        self.include = include.map { Side(matcher: $0) }
        self.exclude = exclude.map { Side(matcher: $0) }
        let hasPatterns = include?.hasPatterns == true || exclude?.hasPatterns == true
        memory = hasPatterns ? MatchMemory() : nil
    }

    mutating func contains(
        _ item: ItemEntry, _ index: TelemetryIndex, _ payload: RawSpan
    ) -> Bool {
        if include == nil, exclude == nil { return true }
        let newScope = index.scopeIndex(of: item)
        if newScope != scope {
            scope = newScope
            enter(index.scopes[newScope], index, payload)
        }
        // In place: a copy would count references to every list of the matcher, for each item.
        if include?.matches(item, index, payload, memory) == false { return false }
        return exclude?.matches(item, index, payload, memory) != true
    }

    private mutating func enter(
        _ entry: ScopeEntry, _ index: TelemetryIndex, _ payload: RawSpan
    ) {
        let isNewResource = Int(entry.resource) != resource
        resource = Int(entry.resource)
        let enclosing = isNewResource ? index.resources[resource] : nil
        include?.enter(entry, enclosing, payload, memory)
        exclude?.enter(entry, enclosing, payload, memory)
    }
}
