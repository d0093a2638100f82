import Bytes

/// Cuts requests of some of its items out of a payload, each in time linear in the bytes of what it
/// holds: so many parts cost no more than they are large.
///
/// A part has its items and what encloses them, which every part repeats: resources, scopes, and
/// metrics without their points. Enclosing messages without items are in none.
public struct PayloadParts: Sendable {
    /// A message that encloses items or such messages.
    private struct Shell: Sendable {
        var frame: Frame
        /// Of the enclosing shell in `shells`; -1 for the request.
        var parent: Int
        /// What it holds beside items and shells, as ranges in `gaps`.
        var gaps: Range<Int> = 0..<0
        var gapBytes = 0
    }

    /// The innermost shells that have items, in the order of the payload.
    private struct Leaf: Sendable {
        var shell: Int
        var items: Range<Int>
        /// Bytes that a part with any item of this leaf has beside its items.
        var enclosingBytes: Int
    }

    private let payload: [UInt8]
    private let items: [ItemEntry]
    private var shells: [Shell] = []
    private var gaps: [ByteRange] = []
    private var leaves: [Leaf] = []

    /// - Precondition: `index` was built over `payload`.
    public init(_ payload: [UInt8], _ index: TelemetryIndex) {
        self.payload = payload
        items = index.items
        var scope = 0
        var metric = 0
        for (number, resource) in index.resources.enumerated() {
            let outer = open(index.frames[Int(resource.frame)], in: -1)
            let scopes = scope..<Self.end(of: number, from: scope, in: index.scopes) { $0.resource }
            scope = scopes.upperBound
            var children = Children(of: shells[outer].frame)
            for scope in scopes {
                children.pass(index.frames[Int(index.scopes[scope].frame)].field, &gaps)
            }
            // The gaps of a shell stand together: it is closed before those in it are opened.
            close(outer, &children)
            for scope in scopes { add(scope, in: outer, index, &metric) }
        }
    }

    public var itemCount: Int { items.count }

    /// How many bytes a part of these items takes, but for lengths that are shorter in it.
    public func byteCount(of range: Range<Int>) -> Int {
        guard !range.isEmpty else { return 0 }
        var bytes = 0
        for leaf in leaves[leaf(of: range.lowerBound)...] {
            let own = leaf.items.clamped(to: range)
            guard !own.isEmpty else { break }
            bytes += leaf.enclosingBytes
            bytes += Int(items[own.upperBound - 1].bodyEnd - items[own.lowerBound].fieldStart)
        }
        return bytes
    }

    /// A request of these items; nothing where there are none.
    public func part(_ range: Range<Int>) -> [UInt8] { part([range]) }

    /// - Parameter ranges: of items, in ascending order, without overlaps.
    public func part(_ ranges: [Range<Int>]) -> [UInt8] {
        var cut = Cut()
        do throws(WireError) {
            for range in ranges where !range.isEmpty { try append(range, to: &cut) }
            try leave(to: 0, &cut)
            return try cut.writer.finish()
        } catch {
            preconditionFailure("BUG: a writer without a limit met it")
        }
    }

    /// `range` in parts of at most `bytesMax` bytes each, or of one item. In order.
    public func split(_ range: Range<Int>, bytesMax: Int) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start = range.lowerBound
        var bytes = 0
        var leafIndex = range.isEmpty ? 0 : leaf(of: start)
        for item in range {
            let isNewLeaf = item >= leaves[leafIndex].items.upperBound
            if isNewLeaf { leafIndex += 1 }
            let own = Int(items[item].bodyEnd - items[item].fieldStart)
            var added = own
            if isNewLeaf || item == start { added += leaves[leafIndex].enclosingBytes }
            if item > start, bytes + added > bytesMax {
                parts.append(start..<item)
                start = item
                bytes = 0
                added = own + leaves[leafIndex].enclosingBytes
            }
            bytes += added
        }
        if start < range.upperBound { parts.append(start..<range.upperBound) }
        return parts
    }
}

// MARK: What is where

extension PayloadParts {
    /// Finds the gaps between a shell's children.
    private struct Children {
        private var offset: Int
        private let end: Int
        private(set) var gapBytes = 0

        init(of frame: Frame) {
            offset = frame.body.lowerBound
            end = frame.body.upperBound
        }

        mutating func pass(_ child: ByteRange, _ gaps: inout [ByteRange]) {
            note(upTo: child.lowerBound, &gaps)
            offset = child.upperBound
        }

        mutating func finish(_ gaps: inout [ByteRange]) { note(upTo: end, &gaps) }

        private mutating func note(upTo next: Int, _ gaps: inout [ByteRange]) {
            guard next > offset else { return }
            gaps.append(ByteRange(start: offset, end: next))
            gapBytes += next - offset
        }
    }

    private mutating func open(_ frame: Frame, in parent: Int) -> Int {
        shells.append(Shell(frame: frame, parent: parent, gaps: gaps.count..<gaps.count))
        return shells.count - 1
    }

    private mutating func close(_ shell: Int, _ children: inout Children) {
        children.finish(&gaps)
        shells[shell].gaps = shells[shell].gaps.lowerBound..<gaps.count
        shells[shell].gapBytes = children.gapBytes
    }

    /// Past the last entry that belongs to `parent`: entries stand in the order of their parents.
    private static func end<Entry>(
        of parent: Int, from start: Int, in entries: [Entry], _ parentOf: (Entry) -> Int32
    ) -> Int {
        var end = start
        while end < entries.count, Int(parentOf(entries[end])) == parent { end += 1 }
        return end
    }

    private mutating func add(
        _ scope: Int, in resource: Int, _ index: TelemetryIndex, _ metric: inout Int
    ) {
        let entry = index.scopes[scope]
        let shell = open(index.frames[Int(entry.frame)], in: resource)
        var children = Children(of: shells[shell].frame)
        guard index.signal == .metrics else { return addLeaf(shell, entry.items, &children) }
        let metrics = metric..<Self.end(of: scope, from: metric, in: index.metrics) { $0.scope }
        metric = metrics.upperBound
        for metric in metrics {
            children.pass(index.frames[Int(index.metrics[metric].frame)].field, &gaps)
        }
        close(shell, &children)
        for metric in metrics { addMetric(metric, in: shell, index) }
    }

    private mutating func addMetric(_ number: Int, in scope: Int, _ index: TelemetryIndex) {
        let entry = index.metrics[number]
        guard entry.dataFrame >= 0, !entry.items.isEmpty else { return }
        let metric = open(index.frames[Int(entry.frame)], in: scope)
        let dataFrame = index.frames[Int(entry.dataFrame)]
        var children = Children(of: shells[metric].frame)
        children.pass(dataFrame.field, &gaps)
        close(metric, &children)
        let data = open(dataFrame, in: metric)
        var points = Children(of: dataFrame)
        addLeaf(data, entry.items, &points)
    }

    private mutating func addLeaf(
        _ shell: Int, _ items: Range<Int>, _ children: inout Children
    ) {
        for item in items { children.pass(self.items[item].field, &gaps) }
        close(shell, &children)
        guard !items.isEmpty else { return }
        var bytes = 0
        var outer = shell
        while outer >= 0 {
            let frame = shells[outer].frame
            bytes += shells[outer].gapBytes + Int(frame.bodyStart - frame.fieldStart)
            outer = shells[outer].parent
        }
        leaves.append(Leaf(shell: shell, items: items, enclosingBytes: bytes))
    }

    /// The leaf that an item is in.
    private func leaf(of item: Int) -> Int {
        var low = 0
        var high = leaves.count - 1
        while low < high {
            let middle = (low + high) / 2
            if leaves[middle].items.upperBound <= item { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

// MARK: Writing

extension PayloadParts {
    /// A part under way: the shells that are open, outermost first.
    private struct Cut: ~Copyable {
        var writer = NestingWriter()
        var open: [(shell: Int, message: NestingWriter.Message)] = []
    }

    private func append(_ range: Range<Int>, to cut: inout Cut) throws(WireError) {
        for leaf in leaves[leaf(of: range.lowerBound)...] {
            let own = leaf.items.clamped(to: range)
            guard !own.isEmpty else { return }
            try enter(leaf.shell, &cut)
            // Neighbours without a gap between them are copied together.
            var run = items[own.lowerBound].field
            for item in own.dropFirst() {
                let next = items[item].field
                if next.start == run.end {
                    run.end = next.end
                } else {
                    try cut.writer.raw(payload.rawSpan, run)
                    run = next
                }
            }
            try cut.writer.raw(payload.rawSpan, run)
        }
    }

    /// Closes what the shell is not in, and opens what it is in.
    private func enter(_ shell: Int, _ cut: inout Cut) throws(WireError) {
        var path: [Int] = []
        var next = shell
        while next >= 0 {
            path.append(next)
            next = shells[next].parent
        }
        path.reverse()
        let common = zip(path, cut.open).prefix { $0 == $1.shell }.count
        try leave(to: common, &cut)
        for shell in path[common...] {
            let frame = shells[shell].frame
            let number = shells[shell].parent < 0 ? 1 : Self.number(of: frame, payload.rawSpan)
            let message = try cut.writer.open(number, expecting: frame.body.count)
            cut.open.append((shell, message))
            for gap in gaps[shells[shell].gaps] { try cut.writer.raw(payload.rawSpan, gap) }
        }
    }

    private func leave(to depth: Int, _ cut: inout Cut) throws(WireError) {
        while cut.open.count > depth, let last = cut.open.popLast() {
            try cut.writer.close(last.message)
        }
    }

    private static func number(of frame: Frame, _ bytes: RawSpan) -> Int {
        var reader = WireReader(frame.field)
        guard let field = reader.nextValidated(in: bytes) else {
            preconditionFailure("BUG: a frame without a field")
        }
        return field.number
    }
}
