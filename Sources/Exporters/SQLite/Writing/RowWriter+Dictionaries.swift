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

    /// For a resource that doesn't name its service, as the semantic conventions say.
    private static let unknownService = Array("unknown_service".utf8)

    // message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2;
    //   repeated EntityRef entity_refs = 3; }
    func write(resource: ResourceEntry, _ bytes: RawSpan) throws(SQLiteError) -> ResourceContext {
        let body = messageBody(resource.resourceFrame)
        var hash = ContentHash(seed: 1)
        hash.combine(bytes, message: body, attributesField: 1)
        hash.combine(bytes, resource.schemaURL)
        let id = Int64(bitPattern: hash.value)
        let names = ServiceNames(AttributeReader(body, field: 1), bytes)
        let context = ResourceContext(
            id: id,
            serviceName: names.name.isEmpty ? Self.unknownService : bytes.array(names.name))
        guard dictionary.lacks(id, now: now) else { return context }
        json.removeAll()
        let attributes = building {
            if $0.attributes(AttributeReader(body, field: 1), bytes).isEmpty { $0.raw("{}") }
        }
        let entities = entityReferences(body, bytes)
        resources.bind(id)
        resources.bind(context.serviceName.rawSpan)
        resources.bindUnlessEmpty(bytes, names.namespace)
        resources.bindUnlessEmpty(bytes, names.instance)
        resources.bindUnlessEmpty(bytes, resource.schemaURL)
        resources.bindUnlessZero(droppedCount(body, field: 2, bytes))
        bindJSON(resources, attributes)
        bindJSON(resources, entities)
        resources.bind(now)
        resources.bind(now)
        try resources.run()
        dictionary.add(id, now: now)
        return context
    }

    // message InstrumentationScope { string name = 1; string version = 2;
    //   repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
    func write(scope: ScopeEntry, _ bytes: RawSpan) throws(SQLiteError) -> Int64 {
        let body = messageBody(scope.scopeFrame)
        var hash = ContentHash(seed: 2)
        hash.combine(bytes, message: body, attributesField: 3)
        hash.combine(bytes, scope.schemaURL)
        let id = Int64(bitPattern: hash.value)
        guard dictionary.lacks(id, now: now) else { return id }
        json.removeAll()
        let attributes = json.attributes(AttributeReader(body, field: 3), bytes)
        scopes.bind(id)
        scopes.bind(bytes, scope.name)
        scopes.bindUnlessEmpty(bytes, scope.version)
        scopes.bindUnlessEmpty(bytes, scope.schemaURL)
        scopes.bindUnlessZero(droppedCount(body, field: 4, bytes))
        bindJSON(scopes, attributes)
        scopes.bind(now)
        scopes.bind(now)
        try scopes.run()
        dictionary.add(id, now: now)
        return id
    }

    private func droppedCount(_ body: ByteRange, field number: Int, _ bytes: RawSpan) -> Int64 {
        var count: Int64 = 0
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            if field.number == number { count = Int64(UInt32(truncatingIfNeeded: field.bits)) }
        }
        return count
    }

    // message EntityRef { string schema_url = 1; string type = 2; repeated string id_keys = 3;
    //   repeated string description_keys = 4; }
    private func entityReferences(_ resource: ByteRange, _ bytes: RawSpan) -> Range<Int> {
        var references = MessageReader(resource, field: 3)
        return building { json in
            var isFirst = true
            while let reference = references.next(in: bytes) {
                json.raw(isFirst ? "[" : ",")
                isFirst = false
                Self.append(entity: reference.value, to: &json, bytes)
            }
            if !isFirst { json.raw("]") }
        }
    }

    private static func append(
        entity: ByteRange, to json: inout ValueJSON, _ bytes: RawSpan
    ) {
        var schemaURL = ByteRange.none
        var type = ByteRange.none
        var idKeys: [ByteRange] = []
        var descriptionKeys: [ByteRange] = []
        var reader = WireReader(entity)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: schemaURL = field.value
            case 2: type = field.value
            case 3: idKeys.append(field.value)
            case 4: descriptionKeys.append(field.value)
            default: continue
            }
        }
        json.raw("{\"type\":")
        json.string(bytes, type)
        json.raw(",\"id_keys\":")
        json.list(idKeys) { $0.string(bytes, $1) }
        json.raw(",\"description_keys\":")
        json.list(descriptionKeys) { $0.string(bytes, $1) }
        if !schemaURL.isEmpty {
            json.raw(",\"schema_url\":")
            json.string(bytes, schemaURL)
        }
        json.raw("}")
    }
}

/// The attributes of a resource that have columns of their own.
private struct ServiceNames {
    var name: ByteRange = .none
    var namespace: ByteRange = .none
    var instance: ByteRange = .none

    init(_ attributes: consuming AttributeReader, _ bytes: RawSpan) {
        while let attribute = attributes.next(in: bytes) {
            guard case .string(let text) = attribute.value(in: bytes) else { continue }
            if bytes.equals("service.name", in: attribute.key) {
                name = text
            } else if bytes.equals("service.namespace", in: attribute.key) {
                namespace = text
            } else if bytes.equals("service.instance.id", in: attribute.key) {
                instance = text
            }
        }
    }
}
