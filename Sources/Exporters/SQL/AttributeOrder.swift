import Bytes
import OTLP

/// Attributes, gathered in the order in which jsonb keeps the keys of an object: by their length,
/// then by their bytes; equal ones stay as they came.
///
/// PostgreSQL brings every object into that order, by a quicksort of whole pairs that calls a
/// function for each comparison. Of keys that are in order already it only looks at neighbours.
/// Source: `lengthCompareJsonbStringValue` and `uniqueifyJsonbObject` in jsonb_util.c.
struct AttributeOrder {
    /// Gathered at once; those behind them are sorted among themselves. OpenTelemetry's SDKs keep
    /// up to 128 attributes an item, and nearly all have fewer than this.
    static let countMax = 32

    /// Two lists beside each other: of attributes as they came, and of their ranks, sorted.
    private struct Slot {
        var key = ByteRange.none
        var valueMessage = ByteRange.none
        /// So that one comparison of integers nearly always tells two keys apart:
        ///
        ///     63…56  bytes of the key, 255 for more
        ///     55…8   its first six bytes, zeros behind a shorter one; zeros for 255 and more
        ///      7…0   index of its slot
        var rank: UInt64 = 0
    }

    private(set) var count = 0
    private var slots = [Slot](repeating: Slot(), count: countMax)

    /// Takes the next attributes, in place of those before; false where there are none.
    @inline(__always)
    mutating func gather(_ attributes: inout AttributeReader, _ bytes: RawSpan) -> Bool {
        var slots = self.slots.mutableSpan
        var count = 0
        while count < Self.countMax, let (key, valueMessage) = attributes.nextParts(in: bytes) {
            slots[count].key = key
            slots[count].valueMessage = valueMessage
            let rank = Self.rank(key, bytes) | UInt64(truncatingIfNeeded: count)
            var position = count
            while position > 0 {
                let other = slots[position &- 1].rank
                let isBefore =
                    _fastPath(rank ^ other > 0xFF)
                    ? rank < other
                    : Self.isBefore(key, slots[Int(other & 0xFF)].key, bytes)
                guard isBefore else { break }
                slots[position].rank = other
                position &-= 1
            }
            slots[position].rank = rank
            count &+= 1
        }
        self.count = count
        return count > 0
    }

    @inline(__always)
    subscript(position: Int) -> (key: ByteRange, valueMessage: ByteRange) {
        let slot = slots[Int(slots[position].rank & 0xFF)]
        return (slot.key, slot.valueMessage)
    }

    @inline(__always)
    private static func rank(_ key: ByteRange, _ bytes: RawSpan) -> UInt64 {
        let length = UInt64(truncatingIfNeeded: min(key.count, 255)) &<< 56
        // Of those whose length it can't hold it tells none from another.
        let shown = UInt64.max << (64 - 8 * (key.count < 255 ? min(key.count, 6) : 0))
        let word =
            _fastPath(key.lowerBound &+ 8 <= bytes.byteCount)
            ? bytes.bigEndian64(at: key.lowerBound) : lastWord(key, bytes)
        return length | (word & shown) &>> 8
    }

    /// A key within the last eight bytes of its payload.
    @inline(never)
    private static func lastWord(_ key: ByteRange, _ bytes: RawSpan) -> UInt64 {
        (0..<min(key.count, 8)).reduce(0) { word, index in
            word | UInt64(bytes.byte(at: key.lowerBound + index)) << UInt64(56 - 8 * index)
        }
    }

    @inline(never)
    private static func isBefore(
        _ key: ByteRange, _ other: ByteRange, _ bytes: RawSpan
    ) -> Bool {
        guard key.count == other.count else { return key.count < other.count }
        return bytes.compare(key, other) < 0
    }
}
