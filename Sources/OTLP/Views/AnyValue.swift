public import Bytes

/// An attribute's value or a log's body, as it stands in a validated payload.
@frozen
public enum AnyValue: Sendable, Equatable {
    case empty
    case string(ByteRange)
    case bool(Bool)
    case int(Int64)
    case double(Double)
    /// The body of an `ArrayValue`; `ValueReader` walks it.
    case array(ByteRange)
    /// The body of a `KeyValueList`; `AttributeReader` walks it.
    case map(ByteRange)
    case bytes(ByteRange)

    /// Reads the body of an `AnyValue` message. Of a oneof the last field counts.
    @inlinable
    public init(_ message: ByteRange, in bytes: RawSpan) {
        self = .empty
        if let integer = bytes.plainInteger(ofValue: message) {
            self = .int(integer)
            return
        }
        var reader = WireReader(message)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: self = .string(field.value)
            case 2: self = .bool(field.bits != 0)
            case 3: self = .int(Int64(bitPattern: field.bits))
            case 4: self = .double(Double(bitPattern: field.bits))
            case 5: self = .array(field.value)
            case 6: self = .map(field.value)
            case 7: self = .bytes(field.value)
            // A place in a table of strings, which only profiles have.
            case 8: self = .empty
            default: continue
            }
        }
    }
}

/// One `KeyValue`.
@frozen
public struct Attribute: Sendable {
    /// The whole field within its parent: what an edit replaces or removes.
    public let field: ByteRange
    public var key: ByteRange = .none
    /// The body of the `AnyValue`; `.none` where there is no value.
    public var valueMessage: ByteRange = .none

    @inlinable
    public init(field: ByteRange, keyValue: ByteRange, in bytes: RawSpan) {
        self.field = field
        var reader = WireReader(keyValue)
        while let field = reader.nextValidated(in: bytes) {
            switch field.number {
            case 1: key = field.value
            case 2: valueMessage = field.value
            default: continue
            }
        }
    }

    @inlinable
    public func value(in bytes: RawSpan) -> AnyValue { AnyValue(valueMessage, in: bytes) }
}

/// Walks the attributes of a validated message: a span's, a resource's, a map's.
@frozen
public struct AttributeReader: Sendable {
    @usableFromInline var reader: WireReader
    @usableFromInline let number: Int

    /// - Parameters:
    ///   - range: the message's body, or the part of it that holds the attributes.
    ///   - number: the field number of `attributes` in that message.
    @inlinable
    public init(_ range: ByteRange, field number: Int) {
        reader = WireReader(range)
        self.number = number
    }

    /// The entries of a `KeyValueList`.
    @inlinable
    public init(map: ByteRange) { self.init(map, field: 1) }

    @inlinable
    public mutating func next(in bytes: RawSpan) -> Attribute? {
        while let field = reader.nextValidated(in: bytes) {
            guard field.number == number else { continue }
            return Attribute(field: field.field, keyValue: field.value, in: bytes)
        }
        return nil
    }

    /// The next attribute's key and the body of its `AnyValue`, which is `.none` where there is no
    /// value. Where all lengths fit a byte, as nearly always, it costs a fraction of `next`.
    @inlinable @inline(__always)
    public mutating func nextParts(
        in bytes: RawSpan
    ) -> (key: ByteRange, valueMessage: ByteRange)? {
        guard reader.offset < reader.end else { return nil }
        guard let body = bytes.shortMessage(at: reader.offset, before: reader.end, field: number),
            let parts = bytes.plainParts(ofAttribute: body)
        else { return nextGeneralParts(in: bytes) }
        reader.offset = body.upperBound
        return parts
    }

    @usableFromInline @inline(never)
    mutating func nextGeneralParts(
        in bytes: RawSpan
    ) -> (key: ByteRange, valueMessage: ByteRange)? {
        guard let attribute = next(in: bytes) else { return nil }
        return (attribute.key, attribute.valueMessage)
    }
}

/// Walks the elements of a validated `ArrayValue`.
@frozen
public struct ValueReader: Sendable {
    @usableFromInline var reader: WireReader

    @inlinable
    public init(array: ByteRange) { reader = WireReader(array) }

    @inlinable
    public mutating func next(in bytes: RawSpan) -> AnyValue? {
        while let field = reader.nextValidated(in: bytes) {
            guard field.number == 1 else { continue }
            return AnyValue(field.value, in: bytes)
        }
        return nil
    }
}

/// Walks the messages of one repeated field of a validated message: events, links, exemplars.
@frozen
public struct MessageReader: Sendable {
    @usableFromInline var reader: WireReader
    @usableFromInline let number: Int

    @inlinable
    public init(_ range: ByteRange, field number: Int) {
        reader = WireReader(range)
        self.number = number
    }

    /// The next message, with the field that holds it.
    @inlinable
    public mutating func next(in bytes: RawSpan) -> WireField? {
        while let field = reader.nextValidated(in: bytes) {
            if field.number == number { return field }
        }
        return nil
    }
}

extension RawSpan {
    /// The body of the field at `offset`, where it is a message of that number with its tag and its
    /// length in one byte each.
    @inlinable @inline(__always)
    func shortMessage(at offset: Int, before end: Int, field number: Int) -> ByteRange? {
        precondition(offset >= 0 && end <= byteCount, "BUG: a message reaches past its payload")
        // SAFETY: two bytes stand before `end`, which was checked against the span.
        guard number < 16, offset &+ 2 <= end,
            Int(unsafe unchecked(offset)) == number &<< 3 | 2
        else { return nil }
        let bytes = unsafe unchecked(offset &+ 1)
        let bodyEnd = offset &+ 2 &+ Int(bytes)
        guard bytes < 0x80, bodyEnd <= end else { return nil }
        return ByteRange(start: offset &+ 2, end: bodyEnd)
    }

    /// Key and value message of a `KeyValue` of the form that encoders write, every length in one
    /// byte; nil for any other, which may be as valid.
    ///
    ///     offset  0    1   2       2+k   3+k  4+k
    ///            [0A] [k] [key…]  [12]  [v]  [value…]
    @inlinable @inline(__always)
    func plainParts(
        ofAttribute body: ByteRange
    ) -> (key: ByteRange, valueMessage: ByteRange)? {
        let start = body.lowerBound
        let end = body.upperBound
        precondition(end <= byteCount, "BUG: a range past the end of its payload")
        // SAFETY: `end` was checked against the span. Every load below is at an offset that a guard
        // has shown to be less than `end`.
        guard end &- start >= 4, unsafe unchecked(start) == 0x0A else { return nil }
        let keyBytes = unsafe unchecked(start &+ 1)
        let keyEnd = start &+ 2 &+ Int(keyBytes)
        let valueStart = keyEnd &+ 2
        guard keyBytes < 0x80, valueStart <= end, end &- valueStart < 0x80,
            unsafe unchecked(keyEnd) == 0x12,
            unsafe Int(unchecked(keyEnd &+ 1)) == end &- valueStart
        else { return nil }
        return (ByteRange(start: start &+ 2, end: keyEnd), ByteRange(start: valueStart, end: end))
    }

    /// The text of an `AnyValue` of the form that encoders write, its length in one byte; nil for
    /// any other, which may be a text as well: `[0A] [s] [text…]`.
    @inlinable @inline(__always)
    public func plainText(ofValue message: ByteRange) -> ByteRange? {
        let start = message.lowerBound
        let end = message.upperBound
        precondition(end <= byteCount, "BUG: a range past the end of its payload")
        // SAFETY: `end` was checked against the span, and two bytes stand before it.
        guard end &- start >= 2, end &- start < 0x82, unsafe unchecked(start) == 0x0A,
            unsafe Int(unchecked(start &+ 1)) == end &- start &- 2
        else { return nil }
        return ByteRange(start: start &+ 2, end: end)
    }

    /// The number of a validated `AnyValue` that holds one int and nothing else: `[18] [varint…]`.
    @inlinable @inline(__always)
    func plainInteger(ofValue message: ByteRange) -> Int64? {
        let start = message.lowerBound
        let end = message.upperBound
        guard start < end, byte(at: start) == 0x18 else { return nil }
        var reader = WireReader(message)
        reader.offset = start &+ 1
        guard let value = try? reader.varint(in: self), reader.offset == end else { return nil }
        return Int64(bitPattern: value)
    }

    /// - Precondition: `offset` is in bounds. It is not checked.
    @inlinable @inline(__always) @unsafe
    func unchecked(_ offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }
}
