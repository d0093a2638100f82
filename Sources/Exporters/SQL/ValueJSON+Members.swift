import Bytes
import OTLP

/// What events, links, exemplars and points are put together from.
extension ValueJSON {
    mutating func list<Element>(
        _ elements: some Sequence<Element>, _ write: (inout ValueJSON, Element) -> Void
    ) {
        raw("[")
        var isFirst = true
        for element in elements {
            if !isFirst { raw(",") }
            isFirst = false
            write(&self, element)
        }
        raw("]")
    }

    /// `,"name":value`, or nothing for 0, which is what absent means.
    mutating func member(_ name: StaticString, unlessZero value: UInt32) {
        guard value != 0 else { return }
        key(name)
        integer(UInt64(value))
    }

    /// `,"name":{…}`, or nothing where there are no attributes.
    mutating func member(
        _ name: StaticString, _ attributes: AttributeReader, _ bytes: RawSpan
    ) {
        // Whether there are any shows only when the first is read.
        var lookahead = attributes
        guard lookahead.next(in: bytes) != nil else { return }
        key(name)
        self.attributes(attributes, bytes)
    }

    private mutating func key(_ name: StaticString) {
        raw(",\"")
        raw(name)
        raw("\":")
    }
}
