public import Bytes

/// The wire types of protobuf that OTLP uses; groups are refused.
@frozen
public enum WireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case fixed32 = 5
}

/// One field of a message, where it stands and what it says.
@frozen
public struct WireField: Sendable {
    public let number: Int
    public let type: WireType
    /// Offset of the field's tag.
    public let start: Int
    /// Offset of the value: past the tag and, for `.bytes`, past the length.
    public let valueStart: Int
    /// Offset past the value.
    public let end: Int
    /// The value of a `.varint`, `.fixed64` or `.fixed32`; 0 for `.bytes`.
    public let bits: UInt64

    @inlinable
    init(number: Int, type: WireType, start: Int, valueStart: Int, end: Int, bits: UInt64) {
        self.number = number
        self.type = type
        self.start = start
        self.valueStart = valueStart
        self.end = end
        self.bits = bits
    }

    /// The value's bytes.
    @inlinable public var value: ByteRange { ByteRange(start: valueStart, end: end) }
    /// The whole field: tag, length and value.
    @inlinable public var field: ByteRange { ByteRange(start: start, end: end) }

    /// Requires the wire type that the schema gives this field.
    @inlinable @inline(__always)
    public func expect(_ expected: WireType) throws(WireError) {
        guard type == expected else { throw WireError(.wrongWireType(field: number), at: start) }
    }

    /// The value of a length-delimited field: a string, bytes or a message.
    @inlinable @inline(__always)
    public func bytes() throws(WireError) -> ByteRange {
        try expect(.bytes)
        return value
    }
}

/// Reads the fields of one protobuf message, one after the other.
///
/// The reader holds offsets and is handed the bytes at each step, so that it can be kept, copied
/// and nested freely. Every length is checked against the message's end before it is used. Source:
/// the protobuf encoding specification.
@frozen
public struct WireReader: Sendable {
    /// Offset of the next field's tag.
    public var offset: Int
    public let end: Int

    @inlinable
    public init(_ message: ByteRange) {
        self.offset = message.lowerBound
        self.end = message.upperBound
    }

    /// The next field, or nil at the end of the message.
    @inlinable @inline(__always)
    public mutating func next(in bytes: RawSpan) throws(WireError) -> WireField? {
        let start = offset
        guard start < end else { return nil }
        precondition(end <= bytes.byteCount, "BUG: a message reaches past the end of its payload")
        // SAFETY: start < end <= byteCount.
        let tag = unsafe bytes.unsafeLoad(fromUncheckedByteOffset: start, as: UInt8.self)
        // Field numbers below 16, which are nearly all of OTLP's, have a tag of one byte.
        guard tag < 0x80, tag >= 0x08 else { return try nextWithLongTag(in: bytes) }
        offset = start &+ 1
        return try value(of: Int(tag &>> 3), tag & 7, start: start, in: bytes)
    }

    @usableFromInline @inline(never)
    mutating func nextWithLongTag(in bytes: RawSpan) throws(WireError) -> WireField {
        let start = offset
        let tag = try varint(in: bytes)
        let number = tag >> 3
        guard number != 0 else { throw WireError(.fieldNumberZero, at: start) }
        guard number <= 0x1FFF_FFFF else { throw WireError(.fieldNumberTooLarge, at: start) }
        return try value(of: Int(number), UInt8(tag & 7), start: start, in: bytes)
    }

    @inlinable @inline(__always)
    mutating func value(
        of number: Int, _ type: UInt8, start: Int, in bytes: RawSpan
    ) throws(WireError) -> WireField {
        switch type {
        case 2:
            let count = try varint(in: bytes)
            let valueStart = offset
            guard count <= UInt64(end &- valueStart) else {
                throw WireError(.lengthPastEnd, at: start)
            }
            offset = valueStart &+ Int(truncatingIfNeeded: count)
            return WireField(
                number: number, type: .bytes, start: start, valueStart: valueStart,
                end: offset, bits: 0)
        case 0:
            let valueStart = offset
            let bits = try varint(in: bytes)
            return WireField(
                number: number, type: .varint, start: start, valueStart: valueStart,
                end: offset, bits: bits)
        case 1:
            guard end &- offset >= 8 else { throw WireError(.truncated, at: start) }
            let bits = bytes.littleEndian64(at: offset)
            offset &+= 8
            return WireField(
                number: number, type: .fixed64, start: start, valueStart: offset &- 8,
                end: offset, bits: bits)
        case 5:
            guard end &- offset >= 4 else { throw WireError(.truncated, at: start) }
            let bits = UInt64(bytes.littleEndian32(at: offset))
            offset &+= 4
            return WireField(
                number: number, type: .fixed32, start: start, valueStart: offset &- 4,
                end: offset, bits: bits)
        default:
            throw WireError(
                type == 3 || type == 4 ? .groupWireType : .unknownWireType(type), at: start)
        }
    }

    /// The next field of a message that was validated before, when its payload was indexed.
    @inlinable @inline(__always)
    public mutating func nextValidated(in bytes: RawSpan) -> WireField? {
        do {
            return try next(in: bytes)
        } catch {
            preconditionFailure("BUG: a validated payload does not parse")
        }
    }

    /// A varint at the offset, which moves past it.
    @inlinable @inline(__always)
    public mutating func varint(in bytes: RawSpan) throws(WireError) -> UInt64 {
        guard offset < end else { throw WireError(.truncated, at: offset) }
        let first = bytes.byte(at: offset)
        if first < 0x80 {
            offset &+= 1
            return UInt64(first)
        }
        return try longVarint(in: bytes)
    }

    @usableFromInline
    mutating func longVarint(in bytes: RawSpan) throws(WireError) -> UInt64 {
        // Most are lengths of two bytes; the caller has seen that the first is not the last.
        if offset &+ 1 < end, bytes.byte(at: offset &+ 1) < 0x80 {
            let low = UInt64(bytes.byte(at: offset) & 0x7F)
            let high = UInt64(bytes.byte(at: offset &+ 1))
            offset &+= 2
            return low | high &<< 7
        }
        var value: UInt64 = 0
        var shift: UInt64 = 0
        let start = offset
        while offset < end {
            let byte = bytes.byte(at: offset)
            offset += 1
            // The tenth byte holds the 64th bit alone.
            if shift == 63, byte > 1 { throw WireError(.varintTooLong, at: start) }
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw WireError(.truncated, at: start)
    }
}
