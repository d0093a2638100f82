import Bytes
import OTLP

// JSON's texts for numbers, ids and bytes.
extension ValueJSON {
    mutating func integer(_ value: Int64) {
        if value < 0 { output.append(UInt8(ascii: "-")) }
        output.append(decimal: value.magnitude)
    }

    mutating func integer(_ value: UInt64) { output.append(decimal: value) }

    /// The shortest text that reads back as the same double, with `.` or `e`.
    mutating func double(_ value: Double) {
        let magnitude = value.magnitude
        // Up to 15 digits no two decimals are the same double: one that divides back to the value
        // exactly is the shortest once its trailing zeros are gone.
        if magnitude < 1e12, magnitude >= 0.001 {
            let thousandths = UInt64(magnitude * 1000 + 0.5)
            if Double(thousandths) / 1000 == magnitude {
                if value < 0 { output.append(UInt8(ascii: "-")) }
                return append(thousandths: thousandths)
            }
        }
        otherDouble(value)
    }

    private mutating func append(thousandths: UInt64) {
        output.append(decimal: thousandths / 1000)
        output.append(UInt8(ascii: "."))
        var fraction = thousandths % 1000
        repeat {
            output.append(UInt8(truncatingIfNeeded: fraction / 100) + UInt8(ascii: "0"))
            fraction = fraction % 100 * 10
        } while fraction > 0
    }

    @inline(never)
    private mutating func otherDouble(_ value: Double) {
        guard value.isFinite else {
            if value.isNaN { return raw("{\"$double\":\"NaN\"}") }
            if value < 0 { return raw("{\"$double\":\"-Infinity\"}") }
            return raw("{\"$double\":\"Infinity\"}")
        }
        if dialect == .jsonb {
            if value == 0, value.sign == .minus { return raw("{\"$double\":\"-0.0\"}") }
            // 2^63 itself included: as an int its negative would be the smallest.
            if value.magnitude <= 0x1p63, value == value.rounded() {
                if value < 0 { output.append(UInt8(ascii: "-")) }
                output.append(decimal: UInt64(value.magnitude))
                return raw(".0")
            }
        }
        // Swift's description is the shortest that reads back the same, and has `.` or `e`.
        for byte in value.description.utf8 { output.append(byte) }
    }

    /// 16 lower-case hex digits.
    mutating func hex(_ word: UInt64) {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            output.append(Hexadecimal.digit(UInt8(truncatingIfNeeded: word >> shift)))
        }
    }

    mutating func hex(_ id: TraceID) {
        hex(id.high)
        hex(id.low)
    }

    mutating func base64(_ bytes: RawSpan, _ range: ByteRange) {
        Base64.encode(bytes, range) { output.append($0) }
    }
}
