import Bytes
import OTLP

/// Tuples of PostgreSQL's COPY BINARY, one after the other, without the stream's header and
/// trailer.
///
///     tuple  int16  number of fields
///            field  int32  bytes of the value; -1 for NULL, then no value follows
///                   value  the type's binary form
///
/// All integers have their most significant byte first. Source: PostgreSQL's documentation of COPY,
/// "Binary Format"; types have the forms of their `…recv` functions (src/backend/utils/adt).
struct TupleBuffer: ~Copyable {
    /// Holds all tuples; `jsonb` values are written in place.
    var json = ValueJSON(.jsonb)
    /// Integers that their column can't hold and that became the nearest that it can.
    private(set) var clampedCount = 0

    /// Unix nanoseconds of 2000-01-01, where PostgreSQL's time begins.
    static let epochMicroseconds: Int64 = 946_684_800_000_000
    private static let null = UInt32.max

    var count: Int { json.output.count }

    var written: RawSpan {
        @_lifetime(borrow self)
        borrowing get { json.output.written }
    }

    mutating func removeAll(keptBytesMax: Int) {
        json.output.removeAll(keptBytesMax: keptBytesMax)
    }

    mutating func truncate(to count: Int) { json.output.truncate(to: count) }

    mutating func takeClampedCount() -> Int {
        defer { clampedCount = 0 }
        return clampedCount
    }

    /// Begins a tuple of that many fields, which the caller then writes.
    @inline(__always)
    mutating func begin(fieldCount: Int) {
        json.output.append(bigEndian: UInt16(truncatingIfNeeded: fieldCount))
    }

    @inline(__always)
    mutating func null() { json.output.append(bigEndian: TupleBuffer.null) }

    @inline(__always)
    mutating func bool(_ value: Bool) {
        json.output.append(bigEndian: 1, value ? 1 as UInt8 : 0)
    }

    @inline(__always)
    mutating func int2(_ value: Int16) {
        json.output.append(bigEndian: 2, value)
    }

    /// An enumeration's number, which may be any on the wire.
    @inline(__always)
    mutating func int2(clamping value: Int32) {
        let clamped = Int16(clamping: value)
        if clamped != value { clampedCount += 1 }
        int2(clamped)
    }

    @inline(__always)
    mutating func int4(_ value: Int32) {
        json.output.append(bigEndian: 4, value)
    }

    @inline(__always)
    mutating func int8(_ value: Int64) {
        json.output.append(bigEndian: 8, value)
    }

    /// A count, which is unsigned on the wire.
    @inline(__always)
    mutating func int8(clamping value: UInt64) { int8(clamped(value)) }

    /// NULL stands for 0.
    @inline(__always)
    mutating func int8(unlessZero value: Int64) {
        if value == 0 { null() } else { int8(value) }
    }

    @inline(__always)
    mutating func float8(_ value: Double) { int8(Int64(bitPattern: value.bitPattern)) }

    mutating func float8(_ value: Double?) {
        if let value { float8(value) } else { null() }
    }

    @inline(__always)
    mutating func uuid(_ id: TraceID) {
        json.output.append(bigEndian: 16, id.high)
        json.output.append(bigEndian: id.low)
    }

    /// `timestamptz`: microseconds since 2000; the nanoseconds below are left out.
    @inline(__always)
    mutating func timestamp(_ unixNanoseconds: UInt64) {
        int8(Int64(unixNanoseconds / 1000) &- TupleBuffer.epochMicroseconds)
    }

    /// What `timestamp` left out: 0 to 999.
    @inline(__always)
    mutating func nanoseconds(_ unixNanoseconds: UInt64) {
        int2(Int16(truncatingIfNeeded: unixNanoseconds % 1000))
    }

    /// NULL stands for 0.
    mutating func timestamp(unlessZero unixNanoseconds: UInt64) {
        if unixNanoseconds == 0 { null() } else { timestamp(unixNanoseconds) }
    }

    mutating func nanoseconds(unlessZero unixNanoseconds: UInt64) {
        if unixNanoseconds == 0 { null() } else { nanoseconds(unixNanoseconds) }
    }

    /// Text; a NUL, which PostgreSQL's text can't hold, becomes U+2400.
    @inline(__always)
    mutating func text(_ bytes: RawSpan, _ range: ByteRange) {
        json.output.append(bigEndian: UInt32(truncatingIfNeeded: range.count))
        let plain = json.output.append(
            bytes, from: range.lowerBound, to: range.upperBound, before: WordScan.zero)
        if _slowPath(plain < range.upperBound) { replaceNULs(bytes, range, from: plain) }
    }

    /// Text that an index has to hold, cut between two characters where it is longer.
    /// - Returns: whether it was cut.
    @discardableResult
    mutating func text(_ bytes: RawSpan, _ range: ByteRange, bytesMax: Int) -> Bool {
        guard range.count > bytesMax else {
            text(bytes, range)
            return false
        }
        var end = range.lowerBound + bytesMax
        // A byte of the form 10xxxxxx continues a character.
        while end > range.lowerBound, bytes.byte(at: end) & 0xC0 == 0x80 { end -= 1 }
        text(bytes, ByteRange(start: range.lowerBound, end: end))
        return true
    }

    /// NULL stands for empty text.
    @inline(__always)
    mutating func text(unlessEmpty range: ByteRange, _ bytes: RawSpan) {
        if range.isEmpty { null() } else { text(bytes, range) }
    }

    mutating func text(_ literal: StaticString) {
        json.output.append(bigEndian: UInt32(literal.utf8CodeUnitCount))
        json.output.append(literal)
    }

    /// A field that was encoded before, its length included.
    @inline(__always)
    mutating func field(_ bytes: RawSpan) {
        json.output.append(bytes, from: 0, to: bytes.byteCount)
    }

    /// `jsonb`; NULL where `write` writes nothing.
    @inline(__always)
    mutating func jsonb(_ write: (inout ValueJSON) -> Void) {
        let start = json.output.count
        json.output.append(bigEndian: TupleBuffer.null)
        // The version of jsonb's binary form; the text follows.
        json.output.append(1)
        write(&json)
        closeJSONB(from: start)
    }

    @inline(__always)
    private mutating func closeJSONB(from start: Int) {
        let bytes = json.output.count &- start &- 4
        if bytes == 1 {
            json.output.truncate(to: start &+ 4)
        } else {
            json.output.replace(at: start, bigEndian: UInt32(truncatingIfNeeded: bytes))
        }
    }

    @inline(never)
    private mutating func replaceNULs(_ bytes: RawSpan, _ range: ByteRange, from first: Int) {
        let lengthOffset = json.output.count - (first - range.lowerBound) - 4
        var offset = first
        while offset < range.upperBound {
            json.output.append(ValueJSON.symbolForNUL)
            json.countReplacedNULs(1)
            offset = json.output.append(
                bytes, from: offset + 1, to: range.upperBound, before: WordScan.zero)
        }
        json.output.replace(
            at: lengthOffset,
            bigEndian: UInt32(truncatingIfNeeded: json.output.count - lengthOffset - 4))
    }

    fileprivate mutating func clamped(_ value: UInt64) -> Int64 {
        if value > UInt64(Int64.max) { clampedCount += 1 }
        return Int64(clamping: value)
    }
}

/// Arrays of one dimension, and numbers of any size.
extension TupleBuffer {
    private static let int8OID: UInt32 = 20
    private static let float8OID: UInt32 = 701

    /// `int8[]`
    mutating func array(clamping counts: [UInt64]) {
        let start = beginArray(of: Self.int8OID, count: counts.count)
        for count in counts { int8(clamped(count)) }
        closeArray(from: start)
    }

    /// `float8[]`
    mutating func array(_ values: some Collection<Double>) {
        let start = beginArray(of: Self.float8OID, count: values.count)
        for value in values { float8(value) }
        closeArray(from: start)
    }

    /// The text form of a `float8[]`.
    mutating func text(ofArray values: [Double]) {
        let start = json.output.count
        json.output.append(bigEndian: TupleBuffer.null)
        json.output.append("{")
        for (index, value) in values.enumerated() {
            if index > 0 { json.output.append(",") }
            // PostgreSQL reads "inf", "-inf" and "nan" as Swift writes them.
            for byte in value.description.utf8 { json.output.append(byte) }
        }
        json.output.append("}")
        closeArray(from: start)
    }

    // array_recv: int32 dimensions; int32 1 where an element is NULL; int32 the type's OID; for
    // each dimension int32 length, int32 lower bound; then the elements as fields.
    private mutating func beginArray(of type: UInt32, count: Int) -> Int {
        let start = json.output.count
        json.output.append(bigEndian: TupleBuffer.null)
        json.output.append(bigEndian: UInt32(count == 0 ? 0 : 1))
        json.output.append(bigEndian: UInt32(0))
        json.output.append(bigEndian: type)
        guard count > 0 else { return start }
        json.output.append(bigEndian: UInt32(truncatingIfNeeded: count))
        json.output.append(bigEndian: UInt32(1))
        return start
    }

    private mutating func closeArray(from start: Int) {
        json.output.replace(
            at: start, bigEndian: UInt32(truncatingIfNeeded: json.output.count - start - 4))
    }

    // numeric_recv: int16 number of digits to the base 10,000; int16 weight of the first; int16
    // sign, 0 for +; int16 decimal places shown; then the digits.
    mutating func numeric(_ value: UInt64) {
        // 2^64 has five such digits. Leading zeros are left out, as PostgreSQL does.
        var digits: [UInt16] = []
        var rest = value
        while rest > 0 {
            digits.append(UInt16(rest % 10_000))
            rest /= 10_000
        }
        json.output.append(bigEndian: UInt32(8 + 2 * digits.count))
        json.output.append(bigEndian: UInt16(digits.count))
        json.output.append(bigEndian: Int16(max(0, digits.count - 1)))
        json.output.append(bigEndian: UInt16(0))
        json.output.append(bigEndian: UInt16(0))
        for digit in digits.reversed() { json.output.append(bigEndian: digit) }
    }
}
