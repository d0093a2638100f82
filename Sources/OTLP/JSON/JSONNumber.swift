import Bytes

/// A number in JSON's form (RFC 8259, section 6), exact: ±mantissa × 10^exponent.
struct JSONNumber {
    /// The longest number that is read. More digits than this are no measurement.
    static let bytesMax = 1024
    /// Exponents are held to ±this, far past where a double is infinite or zero.
    private static let exponentMax = 1_000_000

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]

    private(set) var isNegative = false
    private(set) var mantissa: UInt64 = 0
    private(set) var exponent = 0
    /// False when the digits don't fit 64 bits; only `double` is then of use.
    private(set) var isExact = true
    private(set) var start: Int
    private(set) var end = 0

    /// Reads the number at `start`; the first byte after it is at `end`.
    @inline(__always)
    init(_ bytes: RawSpan, at start: Int, before limit: Int) throws(CodecFault) {
        self.start = start
        var offset = start
        if offset < limit, bytes.byte(at: offset) == UInt8(ascii: "-") {
            isNegative = true
            offset &+= 1
        }
        let digits = offset
        let whole = readFast(bytes, &offset, digitsMax: 19, before: limit)
        var fraction = 0
        if offset < limit, bytes.jsonByte(at: offset) == UInt8(ascii: ".") {
            offset &+= 1
            fraction = readFast(bytes, &offset, digitsMax: 19 &- whole, before: limit)
            // No digit after the point is an error, which the slow way finds.
            if fraction == 0 { fraction = .min }
        }
        end = offset
        exponent = 0 &- fraction
        let isLong =
            offset < limit
            && (bytes.jsonByte(at: offset) &- 0x30 < 10
                || bytes.jsonByte(at: offset) | 0x20 == UInt8(ascii: "e"))
        if whole == 0 || fraction < 0 || isLong || (whole > 1 && bytes.jsonByte(at: digits) == 0x30)
        {
            try readFully(bytes, from: digits, before: limit)
        }
    }

    /// Reads digits into the mantissa, at most as many as always fit, and returns how many.
    @inline(__always)
    private mutating func readFast(
        _ bytes: RawSpan, _ offset: inout Int, digitsMax: Int, before limit: Int
    ) -> Int {
        let start = offset
        while offset &+ 8 <= limit, offset &- start &+ 8 <= digitsMax,
            let eight = JSONScan.eightDigits(bytes.littleEndian64(at: offset))
        {
            mantissa = mantissa &* 100_000_000 &+ eight
            offset &+= 8
        }
        while offset < limit, offset &- start < digitsMax {
            let digit = bytes.jsonByte(at: offset) &- 0x30
            guard digit < 10 else { break }
            mantissa = mantissa &* 10 &+ UInt64(digit)
            offset &+= 1
        }
        return offset &- start
    }

    /// The magnitude when it is whole and fits 64 bits.
    @inline(__always)
    func wholeMagnitude(at offset: Int) throws(CodecFault) -> UInt64 {
        exponent == 0 && isExact ? mantissa : try scaledMagnitude(at: offset)
    }

    @inline(never)
    private func scaledMagnitude(at offset: Int) throws(CodecFault) -> UInt64 {
        var value = mantissa
        if value == 0, isExact { return 0 }
        for _ in 0..<min(max(-exponent, 0), 20) {
            guard value % 10 == 0 else { throw CodecFault(.numberNotIntegral, at: offset) }
            value /= 10
        }
        guard isExact, exponent < 20 else { throw CodecFault(.numberOutOfRange, at: offset) }
        for _ in 0..<max(exponent, 0) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { throw CodecFault(.numberOutOfRange, at: offset) }
            value = product
        }
        return value
    }

    /// The nearest double; throws where that is infinite.
    func double(_ bytes: RawSpan, at offset: Int) throws(CodecFault) -> Double {
        var value: Double
        if isExact, mantissa <= 1 << 53, (-22...22).contains(exponent) {
            // Both operands are exact doubles, so one operation rounds once (Clinger 1990).
            value = Double(mantissa)
            let power = JSONNumber.powersOfTen[abs(exponent)]
            value = exponent < 0 ? value / power : value * power
            return isNegative ? -value : value
        }
        guard let parsed = Double(bytes.string(ByteRange(start: start, end: end))),
            parsed.isFinite
        else { throw CodecFault(.numberOutOfRange, at: offset) }
        value = parsed
        return value
    }

    /// Any number: the slow way. Trailing zeros are held back until a digit follows them.
    private mutating func readFully(
        _ bytes: RawSpan, from digits: Int, before limit: Int
    ) throws(CodecFault) {
        mantissa = 0
        exponent = 0
        var offset = digits
        var heldZeros = 0
        let whole = readDigits(bytes, &offset, before: limit, &heldZeros)
        guard whole == 1 || (whole > 1 && bytes.byte(at: digits) != 0x30) else {
            throw CodecFault(.badNumber, at: offset)
        }
        var fraction = 0
        if offset < limit, bytes.byte(at: offset) == UInt8(ascii: ".") {
            offset += 1
            fraction = readDigits(bytes, &offset, before: limit, &heldZeros)
            guard fraction > 0 else {
                throw CodecFault(.badNumber, at: offset)
            }
        }
        var power = 0
        if offset < limit, bytes.byte(at: offset) | 0x20 == UInt8(ascii: "e") {
            offset += 1
            power = try JSONNumber.readPower(bytes, &offset, before: limit)
        }
        exponent = power - fraction + heldZeros
        end = offset
        guard end - start <= JSONNumber.bytesMax else {
            throw CodecFault(.numberTooLong, at: start)
        }
    }

    /// Reads digits into the mantissa and returns how many there are.
    private mutating func readDigits(
        _ bytes: RawSpan, _ offset: inout Int, before limit: Int, _ heldZeros: inout Int
    ) -> Int {
        let start = offset
        while offset < limit, bytes.byte(at: offset) &- 0x30 < 10 {
            let digit = UInt64(bytes.byte(at: offset) &- 0x30)
            offset += 1
            if digit == 0 {
                if mantissa != 0 { heldZeros += 1 }
                continue
            }
            push(zeros: heldZeros, digit: digit)
            heldZeros = 0
        }
        return offset - start
    }

    private mutating func push(zeros: Int, digit: UInt64) {
        for _ in 0..<min(zeros, 20) { multiply() }
        multiply()
        let (sum, overflow) = mantissa.addingReportingOverflow(digit)
        mantissa = overflow ? .max : sum
        if overflow { isExact = false }
    }

    private mutating func multiply() {
        let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
        mantissa = overflow ? .max : product
        if overflow { isExact = false }
    }

    private static func readPower(
        _ bytes: RawSpan, _ offset: inout Int, before limit: Int
    ) throws(CodecFault) -> Int {
        var isNegative = false
        if offset < limit {
            let sign = bytes.byte(at: offset)
            isNegative = sign == UInt8(ascii: "-")
            if isNegative || sign == UInt8(ascii: "+") { offset += 1 }
        }
        let start = offset
        var power = 0
        while offset < limit, bytes.byte(at: offset) &- 0x30 < 10 {
            power = min(power * 10 + Int(bytes.byte(at: offset) &- 0x30), exponentMax)
            offset += 1
        }
        guard offset > start else {
            throw CodecFault(.badNumber, at: offset)
        }
        return isNegative ? -power : power
    }
}
