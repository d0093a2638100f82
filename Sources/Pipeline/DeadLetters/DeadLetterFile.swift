import Bytes

/// One file of dead letters: `<series>-00000001.jsonl`. A series is an exporter's files.
public struct DeadLetterFile: Sendable, Hashable {
    /// Within the directory.
    public let name: String
    /// The exporter's id, as `series(of:)` writes it.
    public let series: String
    /// Later files have higher ones.
    public let number: Int
    public let bytes: Int

    private static let suffix = ".jsonl"
    private static let digitsMin = 8
    /// A file system's 255, less the number and what may be put after the name.
    private static let seriesBytesMax = 200

    /// Nil for the name of another file.
    init?(name: String, bytes: Int) {
        guard name.hasSuffix(Self.suffix), let dash = name.utf8.lastIndex(of: UInt8(ascii: "-"))
        else { return nil }
        let digits = name[dash...].dropFirst().dropLast(Self.suffix.utf8.count)
        guard digits.utf8.count >= Self.digitsMin,
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(digits), dash > name.startIndex
        else { return nil }
        self.init(series: String(name[..<dash]), number: number, bytes: bytes)
        guard self.name == name else { return nil }
    }

    init(series: String, number: Int, bytes: Int) {
        let digits = String(number)
        let zeros = String(repeating: "0", count: max(0, Self.digitsMin - digits.utf8.count))
        name = "\(series)-\(zeros)\(digits)\(Self.suffix)"
        self.series = series
        self.number = number
        self.bytes = bytes
    }

    /// An exporter's id as part of a file's name: letters, digits, `_`, `.` and `-` stand for
    /// themselves, other bytes are `%` and two hexadecimal digits. Of a long one the start is left,
    /// `~`, and a hash of the whole.
    public static func series(of exporter: String) -> String {
        var escaped: [UInt8] = []
        for byte in exporter.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "-"):
                escaped.append(byte)
            default:
                escaped += [
                    UInt8(ascii: "%"), Hexadecimal.digit(byte >> 4), Hexadecimal.digit(byte),
                ]
            }
        }
        if escaped.count > seriesBytesMax {
            escaped.removeSubrange((seriesBytesMax - 17)...)
            escaped += "~\(String(FNV1a(exporter.utf8).value, radix: 16))".utf8
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}
