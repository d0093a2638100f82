public import Bytes

/// The fields of one data point of a validated payload, whichever of the five kinds it is.
/// Fields that its kind does not have keep their defaults.
public struct DataPointView: Sendable {
    public enum Number: Sendable, Equatable {
        case none
        case int(Int64)
        case double(Double)
    }

    public struct Buckets: Sendable, Equatable {
        public var offset: Int32 = 0
        public var counts: [UInt64] = []
    }

    public let body: ByteRange
    public let kind: MetricKind
    /// Nanoseconds since 1970; 0 where unknown.
    public var startTime: UInt64 = 0
    public var time: UInt64 = 0
    public var flags: UInt32 = 0
    public var attributeCount = 0
    /// From the first attribute's tag to the last one's end.
    public var attributeRange: ByteRange = .none
    public var exemplarCount = 0
    /// Gauge and sum.
    public var number: Number = .none
    /// Histograms and summary.
    public var count: UInt64 = 0
    public var sum: Double?
    public var min: Double?
    public var max: Double?
    /// Histogram.
    public var bucketCounts: [UInt64] = []
    public var explicitBounds: [Double] = []
    /// Exponential histogram.
    public var scale: Int32 = 0
    public var zeroCount: UInt64 = 0
    public var zeroThreshold: Double = 0
    public var positive = Buckets()
    public var negative = Buckets()
    /// Summary.
    public var quantiles: [(quantile: Double, value: Double)] = []

    public init(_ body: ByteRange, _ kind: MetricKind, in bytes: RawSpan) {
        self.body = body
        self.kind = kind
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            if field.number == attributesField {
                attributeCount += reader.passAttributes(from: field, in: bytes, &attributeRange)
            } else if field.number == exemplarsField {
                exemplarCount += 1
            } else if field.number == 2 {
                startTime = field.bits
            } else if field.number == 3 {
                time = field.bits
            } else {
                switch kind {
                case .gauge, .sum, .none: readNumber(field)
                case .histogram: readHistogram(field, bytes)
                case .exponentialHistogram: readExponential(field, bytes)
                case .summary: readSummary(field, bytes)
                }
            }
        }
    }

    public var attributes: AttributeReader {
        AttributeReader(attributeRange, field: attributesField)
    }
    /// Exemplars; `ExemplarView` reads each.
    public var exemplars: MessageReader { MessageReader(body, field: exemplarsField) }

    private var attributesField: Int { kind.pointAttributesField }

    private var exemplarsField: Int {
        switch kind {
        case .gauge, .sum, .none: 5
        case .histogram: 8
        case .exponentialHistogram: 11
        case .summary: -1
        }
    }

    private mutating func readNumber(_ field: WireField) {
        switch field.number {
        case 4: number = .double(Double(bitPattern: field.bits))
        case 6: number = .int(Int64(bitPattern: field.bits))
        case 8: flags = UInt32(truncatingIfNeeded: field.bits)
        default: return
        }
    }

    private mutating func readHistogram(_ field: WireField, _ bytes: RawSpan) {
        switch field.number {
        case 4: count = field.bits
        case 5: sum = Double(bitPattern: field.bits)
        case 6:
            bucketCounts.reserveCapacity(field.value.count / 8)
            Self.readFixed64(field, bytes) { bucketCounts.append($0) }
        case 7:
            explicitBounds.reserveCapacity(field.value.count / 8)
            Self.readFixed64(field, bytes) { explicitBounds.append(Double(bitPattern: $0)) }
        case 10: flags = UInt32(truncatingIfNeeded: field.bits)
        case 11: min = Double(bitPattern: field.bits)
        case 12: max = Double(bitPattern: field.bits)
        default: return
        }
    }

    private mutating func readExponential(_ field: WireField, _ bytes: RawSpan) {
        switch field.number {
        case 4: count = field.bits
        case 5: sum = Double(bitPattern: field.bits)
        case 6: scale = Self.zigzag(field.bits)
        case 7: zeroCount = field.bits
        case 8: Self.read(field.value, into: &positive, bytes)
        case 9: Self.read(field.value, into: &negative, bytes)
        case 10: flags = UInt32(truncatingIfNeeded: field.bits)
        case 12: min = Double(bitPattern: field.bits)
        case 13: max = Double(bitPattern: field.bits)
        case 14: zeroThreshold = Double(bitPattern: field.bits)
        default: return
        }
    }

    private mutating func readSummary(_ field: WireField, _ bytes: RawSpan) {
        switch field.number {
        case 4: count = field.bits
        case 5: sum = Double(bitPattern: field.bits)
        case 6:
            var entry = (quantile: 0.0, value: 0.0)
            var reader = WireReader(field.value)
            while let part = reader.nextValidated(in: bytes) {
                if part.number == 1 { entry.quantile = Double(bitPattern: part.bits) }
                if part.number == 2 { entry.value = Double(bitPattern: part.bits) }
            }
            quantiles.append(entry)
        case 8: flags = UInt32(truncatingIfNeeded: field.bits)
        default: return
        }
    }

    private static func read(
        _ message: ByteRange, into buckets: inout Buckets, _ bytes: RawSpan
    ) {
        var reader = WireReader(message)
        while let field = reader.nextValidated(in: bytes) {
            if field.number == 1 { buckets.offset = zigzag(field.bits) }
            guard field.number == 2 else { continue }
            guard field.type == .bytes else {
                buckets.counts.append(field.bits)
                continue
            }
            // Most counts take one byte.
            buckets.counts.reserveCapacity(field.value.count)
            var packed = WireReader(field.value)
            while packed.offset < packed.end {
                guard let count = try? packed.varint(in: bytes) else {
                    preconditionFailure("BUG: validated bucket counts do not parse")
                }
                buckets.counts.append(count)
            }
        }
    }

    /// Packed, or one element: both forms are legal.
    private static func readFixed64(
        _ field: WireField, _ bytes: RawSpan, _ take: (UInt64) -> Void
    ) {
        guard field.type == .bytes else { return take(field.bits) }
        for offset in stride(from: field.valueStart, to: field.end, by: 8) {
            take(bytes.littleEndian64(at: offset))
        }
    }

    private static func zigzag(_ bits: UInt64) -> Int32 {
        let value = UInt32(truncatingIfNeeded: bits)
        return Int32(bitPattern: (value >> 1) ^ (0 &- (value & 1)))
    }
}

extension MetricKind {
    /// The field number of `attributes` in this kind's data point.
    public var pointAttributesField: Int {
        switch self {
        case .gauge, .sum, .none, .summary: 7
        case .histogram: 9
        case .exponentialHistogram: 1
        }
    }
}

/// The fields of one exemplar.
public struct ExemplarView: Sendable {
    public let body: ByteRange
    public var time: UInt64 = 0
    public var number: DataPointView.Number = .none
    /// Zero where absent.
    public var traceID = TraceID(high: 0, low: 0)
    public var spanID = SpanID(0)

    public init(_ body: ByteRange, in bytes: RawSpan) {
        self.body = body
        var reader = WireReader(body)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 2: time = field.bits
            case 3: number = .double(Double(bitPattern: field.bits))
            case 4: spanID = SpanID(optional: field, in: bytes)
            case 5: traceID = TraceID(optional: field, in: bytes)
            case 6: number = .int(Int64(bitPattern: field.bits))
            default: continue
            }
        }
    }

    /// Attributes of the measurement that the data point does not carry.
    public var filteredAttributes: AttributeReader { AttributeReader(body, field: 7) }
}
