import Platform

/// Columns as wide as their widest cell; numbers stand on the right.
struct TextTable {
    private var rows: [[String]]
    private let indent: String

    init(_ heads: [String], indent: Int = 0) {
        rows = [heads]
        self.indent = String(repeating: " ", count: indent)
    }

    mutating func append(_ row: [String]) { rows.append(row) }

    var text: String {
        let columns = rows[0].indices
        let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = columns.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }
            var line = indent + cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}

/// Figures for people.
enum Figure {
    static func bytes(_ count: Int) -> String {
        var value = Double(count)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        return unit == "B" ? "\(count) B" : "\(tenths(value)) \(unit)"
    }

    static func seconds(_ seconds: Double) -> String {
        // Of another process' answer anything may come.
        guard seconds.isFinite else { return "-" }
        return switch seconds {
        case ..<10: "\(tenths(seconds)) s"
        case ..<120: "\(Int(seconds)) s"
        case ..<7200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3600)) h"
        default: "\(Int(min(seconds / 86_400, 99_999))) d"
        }
    }

    static func rate(_ perSecond: Double) -> String {
        guard perSecond.isFinite else { return "-" }
        return perSecond < 10
            ? "\(tenths(perSecond))/s" : "\(Int(min(perSecond, Double(1 << 62))))/s"
    }

    private static func tenths(_ value: Double) -> String {
        "\((value * 10).rounded() / 10)"
    }

    /// `2026-11-20T16:40:38.123Z`
    static func time(_ unixNanoseconds: UInt64) -> String {
        unixNanoseconds == 0
            ? "-" : CivilTime(unixNanoseconds: unixNanoseconds).rfc3339Milliseconds
    }
}
