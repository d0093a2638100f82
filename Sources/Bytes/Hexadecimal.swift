/// Lower-case hexadecimal digits.
public enum Hexadecimal {
    /// Of the low four bits.
    public static func digit(_ nibble: UInt8) -> UInt8 {
        let value = nibble & 15
        return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + (value - 10)
    }

    /// The value of a digit; `nil` for anything else, upper case included.
    public static func value(lowercase digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    public static func text(_ bytes: RawSpan, _ range: ByteRange) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(range.count * 2)
        for offset in range.lowerBound..<range.upperBound {
            let byte = bytes.byte(at: offset)
            output.append(digit(byte >> 4))
            output.append(digit(byte))
        }
        return String(decoding: output, as: UTF8.self)
    }
}
