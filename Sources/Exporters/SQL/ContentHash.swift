import Bytes
import OTLP

/// What makes a database's ids its own: whoever sends telemetry can't compute them, and so can't
/// make two resources or series that share one.
struct HashKey: Sendable, Equatable {
    fileprivate let words: (UInt64, UInt64, UInt64)

    /// - Parameter key: random, from the database.
    init(_ key: (high: UInt64, low: UInt64)) {
        // Each word hangs on all bits of the key. Odd, as those of `fixed`.
        let first = Self.mix(key.high ^ Self.fixed.words.0, key.low ^ Self.fixed.words.1)
        let second = Self.mix(first ^ key.high, key.low ^ Self.fixed.words.2)
        let third = Self.mix(second ^ key.low, key.high ^ first ^ Self.fixed.words.0)
        words = (first | 1, second | 1, third | 1)
    }

    /// - Parameter hexadecimal: 32 digits.
    init?(hexadecimal text: String) {
        guard text.utf8.count == 32, !text.contains("+"), !text.contains("-"),
            let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init((high, low))
    }

    private init(words: (UInt64, UInt64, UInt64)) { self.words = words }

    /// For what stays in this process. Fractional digits of the square roots of 2, 3 and 5, made
    /// odd: nothing up the sleeve.
    static var fixed: HashKey {
        HashKey(words: (0x6A09_E667_F3BC_C909, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B))
    }

    static func == (left: HashKey, right: HashKey) -> Bool { left.words == right.words }

    /// The finalizer of MurmurHash3, which changes half of the bits for each that is another.
    private static func mix(_ word: UInt64, _ other: UInt64) -> UInt64 {
        var value = word &+ (other &* fixed.words.1)
        value = (value ^ value >> 33) &* 0xFF51_AFD7_ED55_8CCD
        value = (value ^ value >> 33) &* 0xC4CE_B9FE_1A85_EC53
        return value ^ value >> 33
    }
}

/// The 64-bit hash of a resource, a scope or a series that is its id in the tables.
///
/// It is part of the format: the same content has the same id in every gateway that writes to a
/// database, so that an id needs no look-up. Attributes count as a set: their hashes are added up,
/// so their order makes no difference and nothing is sorted. A sum can be forged by whoever can
/// compute its parts: the key, which only the database and its writers know, is why nobody can.
///
/// Collisions: with a million series in one database the chance that any two share an id is 3 in
/// 10^8; the second would show the first's attributes.
///
/// The mixing step multiplies two words to 128 bits and folds the halves, as wyhash does.
struct ContentHash {
    private(set) var value: UInt64
    private let key: HashKey

    init(seed: UInt64 = 0, _ key: HashKey) {
        self.key = key
        value = seed ^ key.words.0
    }

    mutating func combine(_ word: UInt64) {
        value = Self.fold(value ^ key.words.1, word ^ key.words.2)
    }

    /// The bytes in `range`, and how many they are.
    mutating func combine(_ bytes: RawSpan, _ range: ByteRange) {
        combine(Self.of(bytes, range, key))
    }

    /// A message whose field `attributesField` is a set; the others count in their order.
    mutating func combine(_ bytes: RawSpan, message: ByteRange, attributesField: Int) {
        var attributes: UInt64 = 0
        var rest = ContentHash(key)
        var reader = WireReader(message)
        while let field = reader.nextValidated(in: bytes) {
            if field.number == attributesField {
                attributes &+= Self.of(bytes, field.value, key)
            } else {
                rest.combine(bytes, field.field)
            }
        }
        combine(attributes)
        combine(rest.value)
    }

    /// Attributes as a set.
    mutating func combine(_ bytes: RawSpan, attributes range: ByteRange, field number: Int) {
        combine(Self.sum(bytes, attributes: range, field: number, key))
    }

    static func sum(
        _ bytes: RawSpan, attributes range: ByteRange, field number: Int, _ key: HashKey
    ) -> UInt64 {
        var sum: UInt64 = 0
        var reader = MessageReader(range, field: number)
        while let field = reader.next(in: bytes) { sum &+= of(bytes, field.value, key) }
        return sum
    }

    static func of(_ bytes: RawSpan, _ range: ByteRange, _ key: HashKey) -> UInt64 {
        let secrets = key.words
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
}
