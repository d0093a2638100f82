import Configuration

/// Every limit is off unless it is given. Of what is too much the last ones go.
public struct SpanLimitsSettings: Sendable {
    /// Of one span.
    var attributeCount: Int?
    var eventCount: Int?
    var linkCount: Int?
    /// Of one event, of one link.
    var attributePerEventCount: Int?
    var attributePerLinkCount: Int?
    /// Unicode scalars of a string, bytes of a byte array; inside lists and maps too.
    var attributeValueLength: Int?

    init(_ reader: inout MappingReader) {
        let counts = 0...Int(Int32.max)
        attributeCount = reader.int("attribute_count_limit", in: counts)
        attributeValueLength = reader.int("attribute_value_length_limit", in: counts)
        eventCount = reader.int("event_count_limit", in: counts)
        linkCount = reader.int("link_count_limit", in: counts)
        attributePerEventCount = reader.int("attribute_per_event_count_limit", in: counts)
        attributePerLinkCount = reader.int("attribute_per_link_count_limit", in: counts)
        if reader.bool("drop_events", default: false) {
            if eventCount != nil { reader.error(at: "drop_events", Self.conflict("event")) }
            eventCount = 0
        }
        if reader.bool("drop_links", default: false) {
            if linkCount != nil { reader.error(at: "drop_links", Self.conflict("link")) }
            linkCount = 0
        }
        let hasLimit =
            attributeCount != nil || eventCount != nil || linkCount != nil
            || attributePerEventCount != nil || attributePerLinkCount != nil
            || attributeValueLength != nil
        if !hasLimit, reader.keys.isEmpty { reader.warning("has no limit, and so does nothing") }
    }

    private static func conflict(_ what: String) -> String {
        "drops them all, so \(what)_count_limit has no meaning: give one of the two"
    }
}
