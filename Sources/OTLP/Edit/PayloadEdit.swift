public import Bytes

/// Changes to a payload, gathered against its index and applied in one copy.
///
/// A change replaces, inserts or removes a range inside one enclosing message, named by the caller;
/// `apply` then corrects the lengths of everything around it. What no change touches is never
/// decoded. Removing the last item of a metric, a scope or a resource removes that as well.
public struct PayloadEdit: Sendable {
    /// The message whose body a change lies in, outside any of its parts that the index knows.
    public enum Target: Sendable, Equatable {
        /// Index into `TelemetryIndex.frames`.
        case frame(Int)
        /// Index into `TelemetryIndex.items`.
        case item(Int)
    }

    private struct Change {
        var range: ByteRange
        /// The new bytes, as a range of `replacements`.
        var replacement: Range<Int>
        var target: Target
    }

    private var changes: [Change] = []
    private var replacements: [UInt8] = []
    private var removedItems: [Int] = []
    private var removesItemless = false
    /// Bytes that the changes add, less those that they take away; items that are removed whole
    /// apart.
    private var addedBytes = 0
    private let growthMax: Int
    /// Whether the changes would add more than `growthMax` bytes. From then on none is gathered any
    /// more, and the edit must not be applied.
    public private(set) var isTooLarge = false

    /// - Parameter growthMax: bytes that the changes may add, less those that they take away.
    public init(growthMax: Int = .max) { self.growthMax = growthMax }

    public var isEmpty: Bool { changes.isEmpty && removedItems.isEmpty && !removesItemless }
    public var removedItemCount: Int { removedItems.count }

    /// The most bytes that the result of `apply` can have.
    public func outputBytesMax(of payload: [UInt8], index: TelemetryIndex) -> Int {
        // A length has at most five bytes, and had one at least.
        payload.count + max(0, addedBytes) + 4 * (index.frames.count + changes.count)
    }

    /// What `apply` needs besides the result: its splices, one for each change and each length,
    /// in the order of the calls and in that of the payload.
    public func workBytes(index: TelemetryIndex) -> Int {
        let splices = 2 * changes.count + removedItems.count + index.frames.count
        return splices * Self.workBytesOfSplice + index.items.count
    }

    /// A splice of 40 bytes, three times while they are sorted, and what is noted of its message.
    private static let workBytesOfSplice = 160

    public mutating func removeAll() {
        changes.removeAll(keepingCapacity: true)
        replacements.removeAll(keepingCapacity: true)
        removedItems.removeAll(keepingCapacity: true)
        removesItemless = false
        addedBytes = 0
        isTooLarge = false
    }

    /// Replaces `range` by whole, well-formed fields. Ranges of one edit must not overlap;
    /// insertions at one offset stay in the order of the calls.
    public mutating func replace(
        _ range: ByteRange, inside target: Target, with bytes: some Collection<UInt8>
    ) {
        let (added, isOverflow) = addedBytes.addingReportingOverflow(bytes.count - range.count)
        guard !isTooLarge, !isOverflow, added <= growthMax else {
            isTooLarge = true
            return
        }
        addedBytes = added
        let start = replacements.count
        replacements.append(contentsOf: bytes)
        changes.append(
            Change(range: range, replacement: start..<replacements.count, target: target))
    }

    public mutating func insert(
        _ bytes: some Collection<UInt8>, at offset: Int, inside target: Target
    ) {
        replace(ByteRange(start: offset, end: offset), inside: target, with: bytes)
    }

    public mutating func remove(_ range: ByteRange, inside target: Target) {
        replace(range, inside: target, with: EmptyCollection())
    }

    /// Removes a whole item. Calls must come in the order of the items, each at most once.
    public mutating func removeItem(_ item: Int) {
        precondition(removedItems.last.map { $0 < item } ?? true, "BUG: items out of order")
        removedItems.append(item)
    }

    /// Removes all items but those, and what encloses none of them: metrics, scopes and resources
    /// that never had an item as well. So the parts of a payload share nothing but what encloses
    /// items on both sides. The call stands for all `removeItem` of one edit.
    ///
    /// - Parameter itemCount: of the whole payload.
    public mutating func keepOnly(_ items: Range<Int>, of itemCount: Int) {
        precondition(removedItems.isEmpty, "BUG: items are removed twice")
        removedItems.append(contentsOf: 0..<items.lowerBound)
        removedItems.append(contentsOf: items.upperBound..<itemCount)
        removesItemless = true
    }

    /// The payload with all changes made. `payload` and `index` belong together.
    public func apply(to payload: [UInt8], index: TelemetryIndex) -> [UInt8] {
        precondition(!isTooLarge, "BUG: an edit is applied of which a part was not gathered")
        let bytes = payload.rawSpan
        var splices = Splices(index: index)
        splices.remove(removedItems, removesItemless)
        for change in changes.sorted(by: { $0.range.start < $1.range.start }) {
            splices.add(change.range, change.replacement, inside: change.target)
        }
        splices.rewriteLengths(bytes)
        return splices.write(bytes, replacements)
    }
}

/// The work of one `apply`: every range that changes, lengths included, in the order of the
/// payload.
private struct Splices {
    private struct Splice {
        var range: ByteRange
        var replacement: Range<Int>
        /// The new length of an enclosing message; nil for a caller's change.
        var length: Int?
    }

    private let index: TelemetryIndex
    private var splices: [Splice] = []
    /// By how many bytes each message's body grows.
    private var frameGrowth: [Int]
    private var itemGrowth: [Int: Int] = [:]
    private var isFrameRemoved: [Bool]
    private var isItemRemoved: [Bool]
    private var growth = 0

    init(index: TelemetryIndex) {
        self.index = index
        frameGrowth = Array(repeating: 0, count: index.frames.count)
        isFrameRemoved = Array(repeating: false, count: index.frames.count)
        isItemRemoved = []
    }

    mutating func remove(_ items: [Int], _ removesItemless: Bool) {
        guard !items.isEmpty || removesItemless else { return }
        isItemRemoved = Array(repeating: false, count: index.items.count)
        for item in items { isItemRemoved[item] = true }
        func areAllRemoved(_ range: Range<Int>) -> Bool {
            range.isEmpty ? removesItemless : range.allSatisfy { isItemRemoved[$0] }
        }
        for resource in index.resources where areAllRemoved(resource.items) {
            isFrameRemoved[Int(resource.frame)] = true
        }
        for scope in index.scopes where areAllRemoved(scope.items) {
            isFrameRemoved[Int(scope.frame)] = true
        }
        for metric in index.metrics where areAllRemoved(metric.items) {
            isFrameRemoved[Int(metric.frame)] = true
        }
        // What lies below a removed message goes with it; frames stand after their parents.
        for frame in index.frames.indices {
            let parent = Int(index.frames[frame].parent)
            if parent >= 0, isFrameRemoved[parent] {
                isFrameRemoved[frame] = true
            } else if isFrameRemoved[frame] {
                removeField(index.frames[frame].field, from: parent)
            }
        }
        for item in items where !isFrameRemoved[Int(index.items[item].frame)] {
            removeField(index.items[item].field, from: Int(index.items[item].frame))
        }
    }

    private mutating func removeField(_ field: ByteRange, from parent: Int) {
        splices.append(Splice(range: field, replacement: 0..<0, length: nil))
        if parent >= 0 { frameGrowth[parent] -= field.count } else { growth -= field.count }
    }

    mutating func add(
        _ range: ByteRange, _ replacement: Range<Int>, inside target: PayloadEdit.Target
    ) {
        let grown = replacement.count - range.count
        switch target {
        case .frame(let frame):
            if isFrameRemoved[frame] { return }
            frameGrowth[frame] += grown
        case .item(let item):
            if !isItemRemoved.isEmpty, isItemRemoved[item] { return }
            itemGrowth[item, default: 0] += grown
        }
        splices.append(Splice(range: range, replacement: replacement, length: nil))
    }

    /// A message's growth, and that of its length, are growth of the message around it: inside out.
    mutating func rewriteLengths(_ bytes: RawSpan) {
        for (item, grown) in itemGrowth where grown != 0 {
            let entry = index.items[item]
            let total = rewriteLength(entry.field, entry.body, grown, bytes)
            frameGrowth[Int(entry.frame)] += total
        }
        for frame in index.frames.indices.reversed() {
            let grown = frameGrowth[frame]
            guard grown != 0, !isFrameRemoved[frame] else { continue }
            let entry = index.frames[frame]
            let total = rewriteLength(entry.field, entry.body, grown, bytes)
            if entry.parent >= 0 {
                frameGrowth[Int(entry.parent)] += total
            } else {
                growth += total
            }
        }
    }

    private mutating func rewriteLength(
        _ field: ByteRange, _ body: ByteRange, _ grown: Int, _ bytes: RawSpan
    ) -> Int {
        var tag = WireReader(field)
        guard (try? tag.varint(in: bytes)) != nil else {
            preconditionFailure("BUG: an indexed field has no tag")
        }
        let old = ByteRange(start: tag.offset, end: body.lowerBound)
        let length = body.count + grown
        splices.append(Splice(range: old, replacement: 0..<0, length: length))
        return grown + Varint.size(UInt64(length)) - old.count
    }

    func write(_ bytes: RawSpan, _ replacements: [UInt8]) -> [UInt8] {
        let new = replacements.rawSpan
        // An insertion stands before what is removed at the same place; insertions at one place
        // keep their order.
        let ordered = splices.enumerated().sorted {
            ($0.element.range.start, $0.element.range.end, $0.offset)
                < ($1.element.range.start, $1.element.range.end, $1.offset)
        }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.byteCount + growth)
        var position = 0
        for (_, splice) in ordered {
            precondition(splice.range.lowerBound >= position, "BUG: edits overlap")
            output.append(bytes, position..<splice.range.lowerBound)
            if let length = splice.length {
                Varint.append(UInt64(length), to: &output)
            } else if !splice.replacement.isEmpty {
                output.append(new, splice.replacement)
            }
            position = splice.range.upperBound
        }
        output.append(bytes, position..<bytes.byteCount)
        precondition(output.count == bytes.byteCount + growth, "BUG: edited lengths do not add up")
        return output
    }
}
