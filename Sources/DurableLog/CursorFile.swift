import Bytes

/// Where every cursor of a log stands, as text that a person can read. It is replaced as a whole:
///
///     sluice-cursors 1
///     cursor otlp_http after 5a…e1 1041 from 0 exported 9 dropped 0 set-aside 0 skipped 0 lost 0
///     end 8a9136aa
///
/// `after` names the last record that is done with, by epoch and number; `from` is the number of
/// items in the log before the cursor's first; then come the items, by what became of them. The
/// last line has the CRC-32C of those before it.
struct CursorFile: Equatable {
    var cursors: [String: SavedCursor] = [:]

    static let bytesMax = 1 << 20
    private static let countEnd = 1 << 59

    func encoded() -> [UInt8] {
        var text = "sluice-cursors 1\n"
        for (name, cursor) in cursors.sorted(by: { $0.key < $1.key }) {
            let totals = cursor.totals
            text += "cursor \(PercentEncoding.encode(name)) after \(cursor.after.epoch) "
            text += "\(cursor.after.number) from \(cursor.itemsBefore) "
            text += "exported \(totals.exported) dropped \(totals.dropped) "
            text += "set-aside \(totals.setAside) skipped \(totals.skipped) lost \(totals.lost)\n"
        }
        let checksum = Self.checksum(of: Array(text.utf8))
        return Array("\(text)end \(String(checksum, radix: 16))\n".utf8)
    }

    static func checksum(of bytes: [UInt8]) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes)
        return checksum.value
    }

    init() {}

    enum Fault: Error, Equatable {
        /// Not what ``encoded()`` writes.
        case damaged
        case newerVersion(Int)
    }

    init(decoding bytes: [UInt8]) throws(Fault) {
        var lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard lines.count >= 2, let end = lines.popLast() else { throw .damaged }
        let checksum = Self.checksum(of: Array(lines.flatMap { $0 + [UInt8(ascii: "\n")] }))
        guard end.elementsEqual("end \(String(checksum, radix: 16))".utf8)
        else { throw .damaged }
        let title = String(decoding: lines[0], as: UTF8.self).split(separator: " ")
        guard title.count == 2, title[0] == "sluice-cursors", let version = Int(title[1])
        else { throw .damaged }
        guard version <= 1 else { throw .newerVersion(version) }
        for line in lines.dropFirst() {
            let words = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard words.count == 17, words[0] == "cursor",
                let name = PercentEncoding.decode(words[1]),
                let epoch = LogEpoch(words[3]), let number = UInt64(words[4]),
                number < LogFormat.numberEnd, let itemsBefore = UInt64(words[6])
            else { throw .damaged }
            // Five of them are below 2^62, whatever the file says.
            let counts = stride(from: 8, to: 17, by: 2).compactMap { Int(words[$0]) }
            guard counts.count == 5, counts.allSatisfy({ (0..<Self.countEnd).contains($0) })
            else { throw .damaged }
            cursors[name] = SavedCursor(
                after: LogPosition(epoch: epoch, number: number), itemsBefore: itemsBefore,
                totals: CursorTotals(
                    exported: counts[0], dropped: counts[1], setAside: counts[2],
                    skipped: counts[3], lost: counts[4]))
        }
    }
}

/// A cursor as it survives the process.
struct SavedCursor: Equatable, Sendable {
    /// The last record before it.
    var after: LogPosition
    var itemsBefore: UInt64
    var totals: CursorTotals

    /// Items in the log before it.
    var itemsPassed: UInt64 { itemsBefore &+ UInt64(totals.sum) }
}

/// What became of the items that a cursor has passed.
public struct CursorTotals: Equatable, Sendable {
    public var exported: Int
    public var dropped: Int
    public var setAside: Int
    /// Given up because the log was full or they were too old.
    public var skipped: Int
    /// Damaged on the disk.
    public var lost: Int

    public init(
        exported: Int = 0, dropped: Int = 0, setAside: Int = 0, skipped: Int = 0, lost: Int = 0
    ) {
        self.exported = exported
        self.dropped = dropped
        self.setAside = setAside
        self.skipped = skipped
        self.lost = lost
    }

    public var sum: Int { exported + dropped + setAside + skipped + lost }

    public static func + (left: CursorTotals, right: CursorTotals) -> CursorTotals {
        CursorTotals(
            exported: left.exported + right.exported, dropped: left.dropped + right.dropped,
            setAside: left.setAside + right.setAside, skipped: left.skipped + right.skipped,
            lost: left.lost + right.lost)
    }
}
