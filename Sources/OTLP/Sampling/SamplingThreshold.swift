public import Bytes

/// OTEP 235: an item is kept where its randomness is not below the threshold. Both have 56 bits, so
/// that 0 keeps everything and 2^56 nothing.
public struct SamplingThreshold: Equatable, Comparable, Sendable {
    /// 14 hexadecimal digits.
    public static let digitsMax = 14
    public static let end: UInt64 = 1 << 56
    public static let always = SamplingThreshold(rejected: 0)
    public static let never = SamplingThreshold(rejected: end)
    /// The smallest probability that is not zero.
    public static let probabilityMin = 1 / Double(end)

    /// How many of the 2^56 values of randomness it turns away.
    public let rejected: UInt64

    public init(rejected: UInt64) { self.rejected = rejected }

    /// - Parameter precision: hexadecimal digits, 1 to 14, not counting leading `0`s or `f`s, which
    ///   the extremes need more of.
    /// - Returns: nil outside 2^-56 to 1.
    public init?(probability: Double, precision: Int) {
        guard probability >= Self.probabilityMin, probability <= 1 else { return nil }
        guard probability < 1 else {
            self = .always
            return
        }
        // Four leading zero bits of the accepted or of the rejected share are a digit.
        let leading = max(-(probability.exponent + 1), -((1 - probability).exponent + 1)) / 4
        let digits = min(Self.digitsMax, precision + max(0, leading))
        var rejected = Self.end - UInt64((probability * Double(Self.end)).rounded())
        let shift = UInt64(4 * (Self.digitsMax - digits))
        if shift > 0 { rejected = ((rejected + (1 << (shift - 1))) >> shift) << shift }
        self.rejected = rejected
    }

    /// Reads a `th` value: up to 14 digits, of which trailing zeros were left out.
    public init?(_ text: ByteRange, in bytes: RawSpan) {
        guard text.count <= Self.digitsMax, let value = ThresholdDigits.value(text, in: bytes)
        else {
            return nil
        }
        rejected = value << UInt64(4 * (Self.digitsMax - text.count))
    }

    public var probability: Double { Double(Self.end - rejected) / Double(Self.end) }

    /// How many items an item stands for that was kept by this threshold: 1 / probability.
    public var adjustedCount: Double { Double(Self.end) / Double(Self.end - rejected) }

    public func keeps(_ randomness: SamplingRandomness) -> Bool { randomness.value >= rejected }

    /// As `th` has it. Never has none: what is not kept carries no threshold.
    public func append(to text: inout [UInt8]) {
        precondition(rejected < Self.end, "BUG: a kept item with the threshold of none")
        guard rejected > 0 else { return text.append(UInt8(ascii: "0")) }
        ThresholdDigits.append(rejected, digits: Self.digitsMax, to: &text)
        while text.last == UInt8(ascii: "0") { text.removeLast() }
    }

    public static func < (left: SamplingThreshold, right: SamplingThreshold) -> Bool {
        left.rejected < right.rejected
    }
}

/// 56 random bits of an item: of its trace id, explicit (`rv`), or made by hashing.
public struct SamplingRandomness: Equatable, Sendable {
    /// Kept by every threshold but `never`.
    public static let highest = SamplingRandomness(value: SamplingThreshold.end - 1)

    public let value: UInt64

    public init(value: UInt64) { self.value = value }

    /// W3C Trace Context level 2: the rightmost seven bytes of a trace id are random.
    public init(_ traceID: TraceID) { value = traceID.low & (SamplingThreshold.end - 1) }

    /// Reads an `rv` value: exactly 14 digits.
    public init?(_ text: ByteRange, in bytes: RawSpan) {
        guard text.count == SamplingThreshold.digitsMax,
            let value = ThresholdDigits.value(text, in: bytes)
        else { return nil }
        self.value = value
    }

    public func append(to text: inout [UInt8]) {
        ThresholdDigits.append(value, digits: SamplingThreshold.digitsMax, to: &text)
    }
}

/// Hexadecimal numbers of up to 56 bits, as tracestate has them.
private enum ThresholdDigits {
    static func value(_ text: ByteRange, in bytes: RawSpan) -> UInt64? {
        guard !text.isEmpty else { return nil }
        var value: UInt64 = 0
        for offset in text.lowerBound..<text.upperBound {
            let byte = bytes.byte(at: offset)
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            value = value << 4 | UInt64(digit)
        }
        return value
    }

    static func append(_ value: UInt64, digits: Int, to text: inout [UInt8]) {
        for index in stride(from: digits - 1, through: 0, by: -1) {
            text.append(Hexadecimal.digit(UInt8(truncatingIfNeeded: value >> UInt64(4 * index))))
        }
    }
}
