/// Why bytes are not a protobuf message, and where.
public struct WireError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Sendable, Equatable {
        case truncated
        case varintTooLong
        case fieldNumberZero
        case fieldNumberTooLarge
        case groupWireType
        case unknownWireType(UInt8)
        case lengthPastEnd
        case wrongWireType(field: Int)
        case tooDeep(limit: Int)
        case tooLarge(limit: Int)
        case tooManyParts(limit: Int)
        case tooManyMessages(limit: Int)
    }

    public let reason: Reason
    /// Offset of the byte at fault, from the start of the (decompressed) body.
    public let offset: Int

    @inlinable
    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    public var description: String { "invalid protobuf at byte \(offset): \(problem)" }

    /// The problem alone, without the place.
    public var problem: String {
        switch reason {
        case .truncated: "the message ends in the middle of a field"
        case .varintTooLong: "a varint is longer than ten bytes or overflows 64 bits"
        case .fieldNumberZero: "field number 0 does not exist"
        case .fieldNumberTooLarge: "a field number is over 536870911"
        case .groupWireType: "groups (wire types 3 and 4) are not part of OTLP"
        case .unknownWireType(let type): "wire type \(type) does not exist"
        case .lengthPastEnd: "a length reaches past the end of its message"
        case .wrongWireType(let field): "field \(field) has the wrong wire type"
        case .tooDeep(let limit): "values are nested deeper than \(limit) levels"
        case .tooLarge(let limit): "the message is larger than \(limit) bytes"
        case .tooManyParts(let limit):
            "messages that may stand once stand in more than \(limit) parts"
        case .tooManyMessages(let limit): "there are more than \(limit) messages"
        }
    }
}
