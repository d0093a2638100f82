import OTLP

/// What a service does in a trace: one kind of span, and what it calls meanwhile.
struct Operation {
    /// `SpanKind` of `trace.proto`.
    enum Kind: UInt64 {
        case `internal` = 1
        case server = 2
        case client = 3
        case producer = 4
        case consumer = 5
    }

    /// Which attributes vary from one span to the next.
    enum Variation {
        case none, httpServer, httpClient, database, order, message
    }

    let service: Int
    let kind: Kind
    let variation: Variation
    /// Fields of `Span` that never change: `name = 5` and `kind = 6`.
    let nameAndKind: [UInt8]
    /// Those of `attributes = 9` that never change.
    let attributes: [UInt8]
    /// Time of its own, without that of its children, in microseconds.
    let meanMicroseconds: Double
    let errorPermille: Int
    /// Indexes of the operations that it calls, one after the other.
    var children: [Int] = []

    init(
        _ kind: Kind, _ name: String, service: Int, variation: Variation = .none,
        meanMicroseconds: Double, errorPermille: Int = 2,
        attributes: KeyValuePairs<String, AttributeValue>
    ) {
        self.service = service
        self.kind = kind
        self.variation = variation
        self.meanMicroseconds = meanMicroseconds
        self.errorPermille = errorPermille
        var head = ProtobufWriter()
        head.string(5, name)
        head.varint(6, kind.rawValue)
        nameAndKind = head.bytes
        var fixed = ProtobufWriter()
        fixed.attributes(9, attributes)
        self.attributes = fixed.bytes
    }
}
