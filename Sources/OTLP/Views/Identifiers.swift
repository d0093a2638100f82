public import Bytes

/// A trace id: 16 bytes, most significant first.
@frozen
public struct TraceID: Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads the 16 bytes at `offset`.
    @inlinable
    public init(in bytes: RawSpan, at offset: Int) {
        high = bytes.bigEndian64(at: offset)
        low = bytes.bigEndian64(at: offset + 8)
    }

    /// Of a field that may be empty: zero where it is. Of one that stands twice the last counts.
    init(optional field: WireField, in bytes: RawSpan) {
        let isThere = field.value.count == 16
        self = isThere ? TraceID(in: bytes, at: field.valueStart) : TraceID(high: 0, low: 0)
    }

    public var isZero: Bool { high == 0 && low == 0 }
    /// 32 lower-case hex digits.
    public var description: String { Hex.text(high) + Hex.text(low) }
}

/// A span id: 8 bytes, most significant first.
@frozen
public struct SpanID: Hashable, Sendable, CustomStringConvertible {
    public let word: UInt64

    @inlinable
    public init(_ word: UInt64) { self.word = word }

    /// Reads the 8 bytes at `offset`.
    @inlinable
    public init(in bytes: RawSpan, at offset: Int) { word = bytes.bigEndian64(at: offset) }

    /// Of a field that may be empty: zero where it is. Of one that stands twice the last counts.
    init(optional field: WireField, in bytes: RawSpan) {
        self = field.value.count == 8 ? SpanID(in: bytes, at: field.valueStart) : SpanID(0)
    }

    public var isZero: Bool { word == 0 }
    /// 16 lower-case hex digits.
    public var description: String { Hex.text(word) }
}

enum Hex {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ word: UInt64) -> String {
        // SAFETY: all sixteen bytes of the buffer are written, each with an ASCII digit.
        unsafe String(unsafeUninitializedCapacity: 16) { buffer in
            for index in 0..<16 {
                let nibble = Int(truncatingIfNeeded: word >> UInt64(60 - 4 * index)) & 15
                unsafe buffer[index] = digits[nibble]
            }
            return 16
        }
    }
}

extension ItemEntry {
    /// The trace id of a span or a log record, where it has a valid one.
    @inlinable
    public func traceID(in bytes: RawSpan) -> TraceID? {
        traceIDOffset == 0 ? nil : TraceID(in: bytes, at: Int(traceIDOffset))
    }

    /// The span id of a span or a log record, where it has a valid one.
    @inlinable
    public func spanID(in bytes: RawSpan) -> SpanID? {
        spanIDOffset == 0 ? nil : SpanID(in: bytes, at: Int(spanIDOffset))
    }
}
