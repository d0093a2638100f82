/// Sizes in bytes as people write them: `64MiB`, `10MB`, or a plain count.
public enum ByteSize {
    /// The largest that a configuration may give, a PiB: sums of a few thousand of them fit an
    /// `Int`.
    public static let max = 1 << 50

    /// Decimal (`kB` = 1000) and binary (`KiB` = 1024) multiples, a space before the unit allowed.
    /// Nil for anything else, and for what doesn't fit an `Int`.
    public static func parse(_ text: String) -> Int? {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard let count = Int(String(Substring(digits))) else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        guard let factor = units.first(where: { $0.name == unit.lowercased() })?.factor else {
            return nil
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : bytes
    }

    /// With the largest binary unit that divides it: `64MiB`, `1000B`.
    public static func format(_ bytes: Int) -> String {
        for (name, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]
        where bytes != 0 && bytes & (1 << shift - 1) == 0 {
            return "\(bytes >> shift)\(name)"
        }
        return "\(bytes)B"
    }

    private static let units: [(name: String, factor: Int)] = [
        ("", 1), ("b", 1),
        ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
        ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
    ]
}
