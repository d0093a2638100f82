/// A piece of a text that is put together as bytes.
enum TextPart: ExpressibleByStringLiteral {
    case literal(StaticString)
    case number(Int)

    init(stringLiteral value: StaticString) { self = .literal(value) }
}

extension [UInt8] {
    mutating func append(_ parts: [TextPart]) {
        for part in parts {
            switch part {
            case .literal(let literal): append(contentsOf: literal.description.utf8)
            case .number(let number): append(decimal: number)
            }
        }
    }

    private mutating func append(decimal number: Int) {
        precondition(number >= 0)
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}
