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
