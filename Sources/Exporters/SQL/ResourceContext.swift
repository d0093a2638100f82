import Bytes
import OTLP

/// What the rows of one resource have in common.
struct ResourceContext {
    let id: Int64
    /// The body of its `Resource`; empty where there is none.
    let body: ByteRange
    let schemaURL: ByteRange
    let names: ServiceNames
    let serviceName: [UInt8]

    /// For a resource that doesn't name its service, as the semantic conventions say.
    private static let unknownService = Array("unknown_service".utf8)
    /// Each row repeats the name, so that a long one would be there as often as there are items. A
    /// longer one is cut in the columns; among the attributes it is whole.
    static let serviceNameBytesMax = 255

    // message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2;
    //   repeated EntityRef entity_refs = 3; }
    init(_ entry: ResourceEntry, in index: TelemetryIndex, _ bytes: RawSpan, _ key: HashKey) {
        body = index.messageBody(entry.resourceFrame)
        schemaURL = entry.schemaURL
        var hash = ContentHash(seed: 1, key)
        hash.combine(bytes, message: body, attributesField: 1)
        hash.combine(bytes, schemaURL)
        id = Int64(bitPattern: hash.value)
        names = ServiceNames(AttributeReader(body, field: 1), bytes)
        serviceName =
            names.name.isEmpty ? Self.unknownService : bytes.array(Self.cut(names.name, bytes))
    }

    /// The longest part of whole characters that a column holds.
    private static func cut(_ name: ByteRange, _ bytes: RawSpan) -> ByteRange {
        guard name.count > serviceNameBytesMax else { return name }
        var end = name.lowerBound + serviceNameBytesMax
        while end > name.lowerBound, bytes.byte(at: end) & 0xC0 == 0x80 { end -= 1 }
        return ByteRange(start: name.lowerBound, end: end)
    }

    var attributes: AttributeReader { AttributeReader(body, field: 1) }

    func droppedAttributesCount(_ bytes: RawSpan) -> UInt32 {
        bytes.lastNumber(ofField: 2, in: body)
    }
}

/// What the rows of one scope have in common.
struct ScopeContext {
    let id: Int64
    /// The body of its `InstrumentationScope`; empty where there is none.
    let body: ByteRange
    let entry: ScopeEntry

    // message InstrumentationScope { string name = 1; string version = 2;
    //   repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
    init(_ entry: ScopeEntry, in index: TelemetryIndex, _ bytes: RawSpan, _ key: HashKey) {
        self.entry = entry
        body = index.messageBody(entry.scopeFrame)
        var hash = ContentHash(seed: 2, key)
        hash.combine(bytes, message: body, attributesField: 3)
        hash.combine(bytes, entry.schemaURL)
        id = Int64(bitPattern: hash.value)
    }

    var attributes: AttributeReader { AttributeReader(body, field: 3) }

    func droppedAttributesCount(_ bytes: RawSpan) -> UInt32 {
        bytes.lastNumber(ofField: 4, in: body)
    }
}

/// The attributes of a resource that have columns of their own.
struct ServiceNames {
    var name: ByteRange = .none
    var namespace: ByteRange = .none
    var instance: ByteRange = .none

    init(_ attributes: consuming AttributeReader, _ bytes: RawSpan) {
        while let (key, valueMessage) = attributes.nextParts(in: bytes) {
            // Nearly all are none of these: their values are not read.
            if bytes.equals("service.name", in: key) {
                Self.take(valueMessage, bytes, for: &name)
            } else if bytes.equals("service.namespace", in: key) {
                Self.take(valueMessage, bytes, for: &namespace)
            } else if bytes.equals("service.instance.id", in: key) {
                Self.take(valueMessage, bytes, for: &instance)
            }
        }
    }

    private static func take(
        _ valueMessage: ByteRange, _ bytes: RawSpan, for text: inout ByteRange
    ) {
        if case .string(let found) = AnyValue(valueMessage, in: bytes) { text = found }
    }
}

extension TelemetryIndex {
    /// The body of a message that the index has a frame for; empty where there is none.
    func messageBody(_ frame: Int32) -> ByteRange {
        frame < 0 ? .none : frames[Int(frame)].body
    }
}

extension RawSpan {
    /// Of a field that stands twice the last one counts; 0 where there is none.
    fileprivate func lastNumber(ofField number: Int, in message: ByteRange) -> UInt32 {
        var value: UInt32 = 0
        var reader = WireReader(message)
        while let field = reader.nextValidated(in: self) {
            if field.number == number { value = UInt32(truncatingIfNeeded: field.bits) }
        }
        return value
    }
}
