import Bytes
import OTLP

/// The 64-bit hash of a resource, a scope or a series that is its id in the tables.
///
/// It is part of the format: the same content has the same id in every file and every gateway, so
/// that an id needs no look-up. Attributes count as a set: their hashes are added up, so their
/// order makes no difference and nothing is sorted.
///
/// Collisions: with a million series in one file the chance that any two share an id is 3 in 10^8;
/// the second would show the first's attributes. Somebody who sends telemetry can make a collision
/// on purpose, but could as well send the colliding attributes themselves.
///
/// The mixing step multiplies two words to 128 bits and folds the halves, as wyhash does.
struct ContentHash {
    private(set) var value: UInt64

    init(seed: UInt64 = 0) { value = seed ^ Self.secrets.0 }

    mutating func combine(_ word: UInt64) {
        value = Self.fold(value ^ Self.secrets.1, word ^ Self.secrets.2)
    }

    /// The bytes in `range`, and how many they are.
    mutating func combine(_ bytes: RawSpan, _ range: ByteRange) {
        combine(Self.of(bytes, range))
    }

    /// A message whose field `attributesField` is a set; the others count in their order.
    mutating func combine(_ bytes: RawSpan, message: ByteRange, attributesField: Int) {
        var attributes: UInt64 = 0
        var rest = ContentHash()
        var reader = WireReader(message)
        while let field = reader.nextValidated(in: bytes) {
            if field.number == attributesField {
                attributes &+= Self.of(bytes, field.value)
            } else {
                rest.combine(bytes, field.field)
            }
        }
        combine(attributes)
        combine(rest.value)
    }

    /// Attributes as a set.
    mutating func combine(_ bytes: RawSpan, attributes range: ByteRange, field number: Int) {
        combine(Self.sum(bytes, attributes: range, field: number))
    }

    static func sum(_ bytes: RawSpan, attributes range: ByteRange, field number: Int) -> UInt64 {
        var sum: UInt64 = 0
        var reader = MessageReader(range, field: number)
        while let field = reader.next(in: bytes) { sum &+= of(bytes, field.value) }
        return sum
    }

    static func of(_ bytes: RawSpan, _ range: ByteRange) -> UInt64 {
        var state = secrets.0
        var offset = range.lowerBound
        let end = range.upperBound
        while end - offset >= 16 {
            state = fold(
                bytes.littleEndian64(at: offset) ^ secrets.1,
                bytes.littleEndian64(at: offset + 8) ^ state)
            offset += 16
        }
        var low: UInt64 = 0
        if end - offset >= 8 {
            low = bytes.littleEndian64(at: offset)
            offset += 8
        }
        var high: UInt64 = 0
        if end >= 8, offset < end {
            // The last bytes, the first of them most significant.
            high = bytes.bigEndian64(at: end - 8) & (1 << UInt64(8 * (end - offset)) - 1)
        } else {
            while offset < end {
                high = high << 8 | UInt64(bytes.byte(at: offset))
                offset += 1
            }
        }
        // The length tells apart what the padding with zeros does not.
        return fold(fold(low ^ secrets.1, high ^ state), UInt64(range.count) ^ secrets.2)
    }

    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    /// Fractional digits of the square roots of 2, 3 and 5, made odd: nothing up the sleeve.
    private static var secrets: (UInt64, UInt64, UInt64) {
        (0x6A09_E667_F3BC_C909, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B)
    }
}
