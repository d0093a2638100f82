import Bytes

/// A flat index over one `Export…ServiceRequest`: arrays of offsets, no object per item.
///
/// `rebuild` validates the bytes and indexes them in one pass. The index holds no bytes itself;
/// each call that reads is handed the payload it was built over. Reuse one index for many requests:
/// its arrays keep their capacity.
public struct TelemetryIndex: Sendable {
    public internal(set) var signal: Signal = .traces
    /// Enclosing messages, outermost first: an edit below one changes its length.
    public internal(set) var frames: [Frame] = []
    public internal(set) var resources: [ResourceEntry] = []
    public internal(set) var scopes: [ScopeEntry] = []
    /// For metrics alone.
    public internal(set) var metrics: [MetricEntry] = []
    /// Spans, log records or data points, in the order of the payload.
    public internal(set) var items: [ItemEntry] = []
    /// How many items are not valid; each says why in its `fault`.
    public internal(set) var faultyItemCount = 0
    /// How many strings are not UTF-8.
    public internal(set) var textFaultCount = 0
    /// How often a message that may stand once stands once more, so that its parts have to be
    /// merged before offsets into it mean anything.
    public internal(set) var splitPartCount = 0
    public var hasSplitMessages: Bool { splitPartCount > 0 }
    /// Whether items are looked into.
    var readsItems = true
    /// How many more messages may be noted.
    private var messagesLeft = Int.max

    public init() {}

    /// Whether `PayloadRepair` has something to do before these bytes are used.
    public var needsRepair: Bool { textFaultCount > 0 || hasSplitMessages }

    /// Validates `bytes` as the `Export…ServiceRequest` of `signal`, and indexes it.
    ///
    /// Unknown fields are legal and stay where they are. Items with ids of a wrong length are
    /// indexed and marked; text that is not UTF-8 is counted. Both are for the caller to deal with.
    ///
    /// - Parameter messagesMax: the most messages, enclosing ones and items, that are noted: each
    ///   takes 52 to 80 bytes here, however short it is. `MessageCounts` says how many there are.
    /// - Throws: `WireError` where the bytes are not such a message, or have more messages. The
    ///   index is then empty.
    public mutating func rebuild(
        over bytes: RawSpan, as signal: Signal, messagesMax: Int = .max
    ) throws(WireError) {
        try rebuild(over: bytes, as: signal, readsItems: true, messagesMax)
    }

    /// Indexes `bytes` that `rebuild` has taken before, such as what a log gives back.
    ///
    /// Of items it only says where they stand: their ids, attributes and faults stay as an empty
    /// `ItemEntry` has them. That is what readers of whole items need, at a quarter of the cost:
    /// 470 instructions a span instead of 1,830 where ten resources share a hundred spans.
    ///
    /// - Parameter messagesMax: as for `rebuild`.
    /// - Throws: `WireError` where the bytes are not such a message, or have more messages. The
    ///   index is then empty.
    public mutating func rebuildOutline(
        over bytes: RawSpan, as signal: Signal, messagesMax: Int = .max
    ) throws(WireError) {
        try rebuild(over: bytes, as: signal, readsItems: false, messagesMax)
    }

    private mutating func rebuild(
        over bytes: RawSpan, as signal: Signal, readsItems: Bool, _ messagesMax: Int
    ) throws(WireError) {
        removeAll()
        self.readsItems = readsItems
        messagesLeft = messagesMax
        self.signal = signal
        do throws(WireError) {
            guard bytes.byteCount <= Self.payloadBytesMax else {
                throw WireError(.tooLarge(limit: Self.payloadBytesMax), at: 0)
            }
            try indexRequest(bytes)
            guard splitPartCount <= Self.splitPartsMax else {
                throw WireError(.tooManyParts(limit: Self.splitPartsMax), at: 0)
            }
        } catch {
            removeAll()
            throw error
        }
    }

    /// Offsets are 32 bits; 1 GiB leaves room for the growth that edits bring.
    public static let payloadBytesMax = 1 << 30

    /// Parts of messages that may stand once. No encoder writes any; each takes memory to merge.
    public static let splitPartsMax = 65_536

    mutating func removeAll() {
        frames.removeAll(keepingCapacity: true)
        resources.removeAll(keepingCapacity: true)
        scopes.removeAll(keepingCapacity: true)
        metrics.removeAll(keepingCapacity: true)
        items.removeAll(keepingCapacity: true)
        faultyItemCount = 0
        textFaultCount = 0
        splitPartCount = 0
    }

    /// The scope that an item belongs to, as an index into `scopes`.
    public func scopeIndex(of item: ItemEntry) -> Int {
        signal == .metrics ? Int(metrics[Int(item.parent)].scope) : Int(item.parent)
    }

    // message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
    // The same for metrics and logs.
    private mutating func indexRequest(_ bytes: RawSpan) throws(WireError) {
        var reader = WireReader(ByteRange(start: 0, end: bytes.byteCount))
        while let field = try reader.next(in: bytes) {
            guard field.number == 1 else { continue }
            try field.expect(.bytes)
            try indexResource(field, bytes)
        }
    }

    // message ResourceSpans {
    //   Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
    // The same for metrics and logs.
    private mutating func indexResource(
        _ whole: WireField, _ bytes: RawSpan
    ) throws(WireError) {
        let frame = try push(whole, parent: -1)
        let resourceIndex = resources.count
        let firstItem = items.count
        resources.append(ResourceEntry(frame: frame))
        var entry = ResourceEntry(frame: frame)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1:
                try field.expect(.bytes)
                if entry.resourceFrame >= 0 { splitPartCount += 1 }
                entry.resourceFrame = try push(field, parent: frame)
                try validateResource(field.value, bytes, into: &entry)
            case 2:
                try field.expect(.bytes)
                try indexScope(field, bytes, frame: frame, resource: Int32(resourceIndex))
            case 3: entry.schemaURL = try text(field, bytes)
            default: continue
            }
        }
        entry.items = firstItem..<items.count
        resources[resourceIndex] = entry
    }

    // message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2;
    //   repeated EntityRef entity_refs = 3; }
    private mutating func validateResource(
        _ range: ByteRange, _ bytes: RawSpan, into entry: inout ResourceEntry
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1:
                let count = try validateAttributes(from: field, &reader, bytes)
                if entry.attributeCount == 0 { entry.attributes = field.field }
                entry.attributes.end = UInt32(reader.offset)
                entry.attributeCount += count
            case 2: try field.expect(.varint)
            case 3: try validateEntityReference(field, bytes)
            default: continue
            }
        }
    }

    // message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2;
    //   string schema_url = 3; }
    // The same with `repeated Metric metrics` and `repeated LogRecord log_records`.
    private mutating func indexScope(
        _ whole: WireField, _ bytes: RawSpan, frame parent: Int32, resource: Int32
    ) throws(WireError) {
        let frame = try push(whole, parent: parent)
        let scopeIndex = scopes.count
        let firstItem = items.count
        var entry = ScopeEntry(frame: frame, resource: resource)
        scopes.append(entry)
        var reader = WireReader(whole.value)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 2:
                try field.expect(.bytes)
                switch signal {
                case .metrics:
                    try indexMetric(field, bytes, frame: frame, scope: Int32(scopeIndex))
                case .traces where readsItems:
                    try indexSpan(field, bytes, frame: frame, scope: Int32(scopeIndex))
                case .logs where readsItems:
                    try indexLogRecord(field, bytes, frame: frame, scope: Int32(scopeIndex))
                case .traces, .logs:
                    try append(ItemEntry(field, frame: frame, parent: Int32(scopeIndex)))
                }
            case 1:
                try field.expect(.bytes)
                if entry.scopeFrame >= 0 { splitPartCount += 1 }
                entry.scopeFrame = try push(field, parent: frame)
                try validateScope(field.value, bytes, into: &entry)
            case 3: entry.schemaURL = try text(field, bytes)
            default: continue
            }
        }
        entry.items = firstItem..<items.count
        scopes[scopeIndex] = entry
    }

    // message InstrumentationScope { string name = 1; string version = 2;
    //   repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
    private mutating func validateScope(
        _ range: ByteRange, _ bytes: RawSpan, into entry: inout ScopeEntry
    ) throws(WireError) {
        var reader = WireReader(range)
        while let field = try reader.next(in: bytes) {
            switch field.number {
            case 1: entry.name = try text(field, bytes)
            case 2: entry.version = try text(field, bytes)
            case 3:
                let count = try validateAttributes(from: field, &reader, bytes)
                if entry.attributeCount == 0 { entry.attributes = field.field }
                entry.attributes.end = UInt32(reader.offset)
                entry.attributeCount += count
            case 4: try field.expect(.varint)
            default: continue
            }
        }
    }

    mutating func push(_ field: WireField, parent: Int32) throws(WireError) -> Int32 {
        try noteMessage(at: field.start)
        frames.append(Frame(field, parent: parent))
        return Int32(truncatingIfNeeded: frames.count - 1)
    }

    mutating func append(_ item: ItemEntry) throws(WireError) {
        try noteMessage(at: Int(item.fieldStart))
        if item.fault != .none { faultyItemCount += 1 }
        items.append(item)
    }

    @inline(__always)
    private mutating func noteMessage(at offset: Int) throws(WireError) {
        messagesLeft &-= 1
        if _slowPath(messagesLeft < 0) {
            // What was noted is what may be noted: each has a frame or is an item.
            throw WireError(.tooManyMessages(limit: frames.count + items.count), at: offset)
        }
    }
}
