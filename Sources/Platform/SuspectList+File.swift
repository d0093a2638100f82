internal import Glibc

/// As a file, for people too:
///
///     sluice suspects 1
///     log 16 hex digits, epoch 32 hex digits, first and last position, crashes; between blanks,
///     and "killed" at the end where the process was killed from outside
extension SuspectList {
    private static let heading = "sluice suspects 1"
    private static let killedMark = "killed"
    /// A line has at most 119 bytes.
    private static let bytesMax = (entriesMax + 1) * 128

    /// The list in the file, empty when there is none. A file that is not such a list, or has lines
    /// that cannot be read, is kept beside it as `….damaged`.
    ///
    /// - Returns: the list, and whether there was damage.
    public static func load(
        from path: String
    ) throws(SystemError) -> (list: SuspectList, isDamaged: Bool) {
        var parsed: (list: SuspectList, isDamaged: Bool)
        do throws(SystemError) {
            parsed = parse(try FileSystem.read(path, bytesMax: bytesMax))
        } catch {
            if error.errno == ENOENT { return (SuspectList(), false) }
            guard error.errno == EFBIG else { throw error }
            parsed = (SuspectList(), true)
        }
        if parsed.isDamaged { try FileSystem.rename(path, to: path + ".damaged") }
        return parsed
    }

    /// Durable when it returns.
    public func save(to path: String) throws(SystemError) {
        try FileSystem.replace(path, with: Array(text.utf8))
    }

    var text: String {
        entries.reduce(into: Self.heading + "\n") { text, entry in
            let records = entry.records
            text += "\(hex(records.log)) \(hex(records.epochHigh))\(hex(records.epochLow)) "
            text += "\(records.first) \(records.last) \(entry.crashCount)"
            text += entry.wasKilled ? " \(Self.killedMark)\n" : "\n"
        }
    }

    /// What can be read of it.
    static func parse(_ bytes: [UInt8]) -> (list: SuspectList, isDamaged: Bool) {
        var list = SuspectList()
        var lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        // What follows the last line break.
        var isDamaged = lines.popLast() != ""
        guard lines.first.map(String.init) == heading else { return (list, true) }
        for line in lines.dropFirst() {
            guard let entry = entry(line), list.entries.count < entriesMax else {
                isDamaged = true
                continue
            }
            list.append(entry)
        }
        return (list, isDamaged)
    }

    private static func entry(_ line: Substring) -> Entry? {
        var words = line.split(separator: " ", omittingEmptySubsequences: false)
        let wasKilled = words.count == 6 && words[5] == killedMark
        if wasKilled { words.removeLast() }
        guard words.count == 5, words[0].utf8.count == 16, words[1].utf8.count == 32,
            let log = UInt64(words[0], radix: 16),
            let high = UInt64(words[1].prefix(16), radix: 16),
            let low = UInt64(words[1].dropFirst(16), radix: 16), let first = UInt64(words[2]),
            let last = UInt64(words[3]), first <= last, let count = Int(words[4]),
            (1...crashCountMax).contains(count)
        else { return nil }
        let records = RecordRange(log: log, epoch: (high, low), first: first, last: last)
        return Entry(records, crashCount: count, wasKilled: wasKilled)
    }

    private func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
