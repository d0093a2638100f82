public import Bytes

/// Writes protobuf messages, field by field, into a growing array.
public struct ProtobufWriter: Sendable {
    public private(set) var bytes: [UInt8]

    public init(reserving capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    public mutating func removeAll(keepingCapacity: Bool = true) {
        bytes.removeAll(keepingCapacity: keepingCapacity)
    }

    public mutating func varint(_ number: Int, _ value: UInt64) {
        tag(number, .varint)
        Varint.append(value, to: &bytes)
    }

    public mutating func bool(_ number: Int, _ value: Bool) { varint(number, value ? 1 : 0) }

    public mutating func int(_ number: Int, _ value: Int64) {
        varint(number, UInt64(bitPattern: value))
    }

    public mutating func sint(_ number: Int, _ value: Int64) {
        varint(number, UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    public mutating func fixed64(_ number: Int, _ value: UInt64) {
        tag(number, .fixed64)
        appendLittleEndian(value)
    }

    public mutating func double(_ number: Int, _ value: Double) {
        fixed64(number, value.bitPattern)
    }

    public mutating func fixed32(_ number: Int, _ value: UInt32) {
        tag(number, .fixed32)
        for shift in [0, 8, 16, 24] as [UInt32] {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    public mutating func string(_ number: Int, _ value: String) {
        tag(number, .bytes)
        Varint.append(UInt64(value.utf8.count), to: &bytes)
        bytes.append(contentsOf: value.utf8)
    }

    public mutating func bytes(_ number: Int, _ value: [UInt8]) {
        tag(number, .bytes)
        Varint.append(UInt64(value.count), to: &bytes)
        bytes.append(contentsOf: value)
    }

    public mutating func bytes(_ number: Int, _ source: RawSpan, _ range: ByteRange) {
        tag(number, .bytes)
        Varint.append(UInt64(range.count), to: &bytes)
        bytes.append(source, range.lowerBound..<range.upperBound)
    }

    /// Two words, most significant byte first: a trace id.
    public mutating func identifier(_ number: Int, _ high: UInt64, _ low: UInt64) {
        tag(number, .bytes)
        bytes.append(16)
        appendLittleEndian(high.byteSwapped)
        appendLittleEndian(low.byteSwapped)
    }

    /// One word, most significant byte first: a span id.
    public mutating func identifier(_ number: Int, _ word: UInt64) {
        tag(number, .bytes)
        bytes.append(8)
        appendLittleEndian(word.byteSwapped)
    }

    public mutating func packedFixed64(_ number: Int, _ values: some Collection<UInt64>) {
        tag(number, .bytes)
        Varint.append(UInt64(values.count * 8), to: &bytes)
        for value in values { appendLittleEndian(value) }
    }

    /// A nested message. One byte is left for its length, which fits all but the largest; where it
    /// doesn't, the body moves.
    public mutating func message(_ number: Int, _ body: (inout ProtobufWriter) -> Void) {
        tag(number, .bytes)
        let lengthOffset = bytes.count
        bytes.append(0)
        body(&self)
        let count = bytes.count - lengthOffset - 1
        guard count >= 0x80 else {
            bytes[lengthOffset] = UInt8(count)
            return
        }
        var length: [UInt8] = []
        Varint.append(UInt64(count), to: &length)
        bytes.replaceSubrange(lengthOffset...lengthOffset, with: length)
    }

    /// Bytes that are fields already.
    public mutating func raw(_ source: RawSpan, _ range: ByteRange) {
        bytes.append(source, range.lowerBound..<range.upperBound)
    }

    public mutating func raw(_ fields: [UInt8]) { bytes.append(contentsOf: fields) }

    public mutating func tag(_ number: Int, _ type: WireType) {
        Varint.append(UInt64(number) << 3 | UInt64(type.rawValue), to: &bytes)
    }

    /// The length of a body that the caller writes next, after its `tag`.
    public mutating func length(_ count: Int) { Varint.append(UInt64(count), to: &bytes) }

    private mutating func appendLittleEndian(_ value: UInt64) {
        // SAFETY: the bytes of a local integer, read while it lives.
        unsafe withUnsafeBytes(of: value.littleEndian) { source in
            unsafe bytes.append(contentsOf: source)
        }
    }
}
