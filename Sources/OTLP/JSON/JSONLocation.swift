import Bytes

/// Where in a document an offset is, for people: line, column and path. Found by reading the
/// document again up to there, so that the parser keeps no books for errors.
struct JSONLocation {
    /// A path is cut at this length, since a client's keys stand in it.
    static let pathBytesMax = 512

    private(set) var line = 1
    private(set) var column = 1
    private(set) var path = ""

    /// An open container; `index` is nil in an object.
    private struct Level {
        var key: Range<Int>?
        var index: Int?
    }

    init(of offset: Int, in json: RawSpan) {
        let end = min(offset, json.byteCount)
        var levels: [Level] = []
        var position = 0
        var lineStart = 0
        while position < end {
            switch json.byte(at: position) {
            case UInt8(ascii: "\n"):
                line += 1
                lineStart = position + 1
            case UInt8(ascii: "{"): levels.append(Level())
            case UInt8(ascii: "["): levels.append(Level(index: 0))
            case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = levels.popLast()
            case UInt8(ascii: ","):
                guard var level = levels.popLast() else { break }
                level.key = nil
                if let index = level.index { level.index = index + 1 }
                levels.append(level)
            case UInt8(ascii: "\""):
                let start = position + 1
                position = JSONLocation.endOfString(json, from: start, before: end)
                if let level = levels.last, level.index == nil, level.key == nil, position < end {
                    levels[levels.count - 1].key = start..<position
                }
            default: break
            }
            position += 1
        }
        column = end - lineStart + 1
        path = JSONLocation.path(levels, in: json)
    }

    /// The offset of the closing quote, or `end` when the string does not end before it.
    private static func endOfString(_ json: RawSpan, from start: Int, before end: Int) -> Int {
        var position = start
        while position < end {
            switch json.byte(at: position) {
            case UInt8(ascii: "\""): return position
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        return end
    }

    private static func path(_ levels: [Level], in json: RawSpan) -> String {
        var path = ""
        for level in levels {
            if let index = level.index {
                path += "[\(index)]"
            } else if let key = level.key {
                let shown = key.prefix(64)
                let name = json.string(ByteRange(start: shown.lowerBound, end: shown.upperBound))
                path += path.isEmpty ? name : ".\(name)"
            }
            guard path.utf8.count <= pathBytesMax else { return path.prefix(pathBytesMax) + "…" }
        }
        return path
    }
}
