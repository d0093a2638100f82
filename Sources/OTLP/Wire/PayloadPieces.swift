import Bytes

/// Cuts an `Export…ServiceRequest` into requests of fewer messages, each item in what encloses it,
/// without an index over the whole: there may be no memory for one.
///
/// Two passes over each message, and a copy of one piece at a time. What encloses no item is in no
/// piece. Fields that stand beside items or after them come before them.
///
///     var pieces = PayloadPieces(of: payload, as: .logs, itemsMax: 10_000, bytesMax: 1 << 20)
///     while let piece = pieces.next() { … }
///     guard pieces.isWhole else { … }
public struct PayloadPieces {
    /// A request with some of the items.
    public struct Piece: Sendable, Equatable {
        public let payload: [UInt8]
        /// Indices of its items in the whole.
        public let items: Range<Int>
    }

    /// A message that encloses items, and what of it goes into the present piece.
    private struct Level {
        /// The field that the message is, in the one around it.
        var number: Int
        var reader: WireReader
        /// All fields of the message but those that enclose items.
        var head: [UInt8] = []
        var body: [UInt8] = []
    }

    private let payload: [UInt8]
    private let signal: Signal
    private let itemsMax: Int
    private let bytesMax: Int
    /// Outermost first: request, resource, scope and, for metrics, metric and data.
    private var levels: [Level] = []
    private var itemCount = 0
    private var firstItem = 0
    /// Whether the payload was protobuf up to where `next` has come.
    public private(set) var isWhole = true

    /// - Parameters:
    ///   - itemsMax: of a piece; at least 1.
    ///   - bytesMax: of the items of a piece; an item that is larger has a piece of its own.
    public init(of payload: [UInt8], as signal: Signal, itemsMax: Int, bytesMax: Int) {
        precondition(itemsMax > 0, "BUG: pieces without items have no end")
        self.payload = payload
        self.signal = signal
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
        let whole = ByteRange(start: 0, end: payload.count)
        levels = [Level(number: 0, reader: WireReader(whole))]
    }

    private var depthOfItems: Int { signal == .metrics ? 5 : 3 }

    /// Whether a field of the message at `depth`, 1 for the request, encloses items or is one.
    private func leadsToItems(_ field: WireField, depth: Int) -> Bool {
        guard field.type == .bytes else { return false }
        switch depth {
        case 1: return field.number == 1
        case 2, 3: return field.number == 2
        case 4: return MetricKind(rawValue: UInt8(clamping: field.number)) != nil
        default: return field.number == 1
        }
    }

    public mutating func next() -> Piece? {
        do throws(WireError) {
            while !levels.isEmpty {
                if let piece = try step() { return piece }
            }
        } catch {
            isWhole = false
            levels = []
        }
        return nil
    }

    /// One field, or the end of a message.
    private mutating func step() throws(WireError) -> Piece? {
        let depth = levels.count
        let payload = payload
        let bytes = payload.rawSpan
        guard let field = try levels[depth - 1].reader.next(in: bytes) else {
            if depth == 1 { return finish() }
            close()
            return nil
        }
        guard leadsToItems(field, depth: depth) else { return nil }
        guard depth == depthOfItems else {
            try open(field, depth: depth + 1)
            return nil
        }
        levels[depth - 1].body.append(bytes, field.start..<field.end)
        itemCount += 1
        let isFull =
            itemCount - firstItem >= itemsMax
            || levels.reduce(0) { $0 + $1.body.count } >= bytesMax
        return isFull ? piece() : nil
    }

    private mutating func open(_ field: WireField, depth: Int) throws(WireError) {
        var level = Level(number: field.number, reader: WireReader(field.value))
        let payload = payload
        let bytes = payload.rawSpan
        var reader = level.reader
        while let part = try reader.next(in: bytes) {
            guard !leadsToItems(part, depth: depth) else { continue }
            level.head.append(bytes, part.start..<part.end)
        }
        levels.append(level)
    }

    /// Moves what the innermost message has of the piece into the one around it.
    private mutating func close() {
        let level = levels.removeLast()
        Self.wrap(level, into: &levels[levels.count - 1].body)
    }

    private static func wrap(_ level: Level, into body: inout [UInt8]) {
        guard !level.body.isEmpty else { return }
        Varint.append(UInt64(level.number) << 3 | UInt64(WireType.bytes.rawValue), to: &body)
        Varint.append(UInt64(level.head.count + level.body.count), to: &body)
        body += level.head
        body += level.body
    }

    private mutating func piece() -> Piece {
        for depth in levels.indices.dropFirst().reversed() {
            Self.wrap(levels[depth], into: &levels[depth - 1].body)
            levels[depth].body = []
        }
        defer {
            levels[0].body = []
            firstItem = itemCount
        }
        return Piece(payload: levels[0].body, items: firstItem..<itemCount)
    }

    private mutating func finish() -> Piece? {
        defer { levels = [] }
        return firstItem < itemCount ? piece() : nil
    }
}
