import Bytes
import OTLP

/// What `convert` makes of a value.
enum ValueConversion: String, Sendable, CaseIterable {
    case int, double, string

    /// The new body of the `AnyValue`; nil where the value stays as it is, because it has the type
    /// already or cannot be had in it.
    func convert(_ message: ByteRange, in bytes: RawSpan) -> [UInt8]? {
        let value = AnyValue(message, in: bytes)
        switch self {
        case .string:
            if case .string = value { return nil }
            return EncodedValue.string(value.text(in: bytes))
        case .int: return Self.int(value, in: bytes).map(EncodedValue.int)
        case .double: return Self.double(value, in: bytes).map(EncodedValue.double)
        }
    }

    private static func int(_ value: AnyValue, in bytes: RawSpan) -> Int64? {
        switch value {
        case .double(let number): Int64(exactly: number.rounded(.towardZero))
        case .bool(let flag): flag ? 1 : 0
        case .string(let text): Int64(bytes.string(text))
        case .int, .array, .map, .bytes, .empty: nil
        }
    }

    private static func double(_ value: AnyValue, in bytes: RawSpan) -> Double? {
        switch value {
        case .int(let number): Double(number)
        case .bool(let flag): flag ? 1 : 0
        case .string(let text): GoNumber.double(bytes.string(text))
        case .double, .array, .map, .bytes, .empty: nil
        }
    }
}

/// What `hash` makes of a value.
enum ValueHash {
    /// SHA-256 in hexadecimal of a string's bytes, of a number's eight bytes, least significant
    /// first, or of one byte 0 or 1 for a bool; the empty text for anything else, so that nothing
    /// of it is left. All as the Collector has it, so that hashes of both compare equal.
    static func hexadecimal(_ message: ByteRange, in bytes: RawSpan) -> [UInt8] {
        switch AnyValue(message, in: bytes) {
        case .string(let text): SHA256.hexadecimal(bytes, text)
        case .bool(let flag): hexadecimal([flag ? 1 : 0])
        case .int(let number): hexadecimal(littleEndian(UInt64(bitPattern: number)))
        case .double(let number): hexadecimal(littleEndian(number.bitPattern))
        case .array, .map, .bytes, .empty: []
        }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
        SHA256.hexadecimal(bytes.rawSpan, ByteRange(start: 0, end: bytes.count))
    }

    private static func littleEndian(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
}
