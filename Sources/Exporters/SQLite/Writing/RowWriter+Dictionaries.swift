import Bytes
import OTLP

extension RowWriter {
    static let resourceColumns = [
        "resource_id", "service_name", "service_namespace", "service_instance_id", "schema_url",
        "dropped_attributes", "attributes", "entity_refs", "first_seen", "last_seen",
    ]
    static let scopeColumns = [
        "scope_id", "name", "version", "schema_url", "dropped_attributes", "attributes",
        "first_seen", "last_seen",
    ]

    func write(_ resource: ResourceContext, _ bytes: RawSpan) throws(SQLiteError) {
        guard dictionary.lacks(resource.id, now: now) else { return }
        json.removeAll()
        let attributes = building {
            if $0.attributes(resource.attributes, bytes).isEmpty { $0.raw("{}") }
        }
        let entities = building { $0.entityReferences(ofResource: resource.body, bytes) }
        resources.bind(resource.id)
        resources.bind(resource.serviceName.rawSpan)
        resources.bindUnlessEmpty(bytes, resource.names.namespace)
        resources.bindUnlessEmpty(bytes, resource.names.instance)
        resources.bindUnlessEmpty(bytes, resource.schemaURL)
        resources.bindUnlessZero(Int64(resource.droppedAttributesCount(bytes)))
        bindJSON(resources, attributes)
        bindJSON(resources, entities)
        resources.bind(now)
        resources.bind(now)
        try resources.run()
        dictionary.add(resource.id, now: now)
    }

    func write(_ scope: ScopeContext, _ bytes: RawSpan) throws(SQLiteError) {
        guard dictionary.lacks(scope.id, now: now) else { return }
        json.removeAll()
        let attributes = json.attributes(scope.attributes, bytes)
        scopes.bind(scope.id)
        scopes.bind(bytes, scope.entry.name)
        scopes.bindUnlessEmpty(bytes, scope.entry.version)
        scopes.bindUnlessEmpty(bytes, scope.entry.schemaURL)
        scopes.bindUnlessZero(Int64(scope.droppedAttributesCount(bytes)))
        bindJSON(scopes, attributes)
        scopes.bind(now)
        scopes.bind(now)
        try scopes.run()
        dictionary.add(scope.id, now: now)
    }
}
