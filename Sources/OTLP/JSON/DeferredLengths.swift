import Bytes

/// Lengths of nested messages that are written when the whole output is there.
///
/// They come in the order in which messages are closed, inner ones first. So those within a message
/// that is closed now are the last of the list, and their growth is found by a binary search.
struct DeferredLengths {
    struct Length {
        /// Where the bytes that were left for it begin, and how many they are.
        var offset: Int
        var width: Int
        /// Its value: the body's bytes, with the growth of the lengths within.
        var length: Int
        /// The growth of all lengths of the list before this one.
        fileprivate var growthBefore: Int

        /// Bytes that it needs more than were left for it.
        var growth: Int { Varint.size(UInt64(truncatingIfNeeded: length)) - width }
    }

    private var lengths: [Length] = []
    /// Of all of them.
    private(set) var growth = 0

    var isEmpty: Bool { lengths.isEmpty }

    mutating func removeAll() {
        // Nearly always there are none, and this is called for each request.
        guard !lengths.isEmpty else { return }
        lengths.removeAll()
        growth = 0
    }

    mutating func append(offset: Int, width: Int, length: Int) {
        let new = Length(offset: offset, width: width, length: length, growthBefore: growth)
        lengths.append(new)
        growth += new.growth
    }

    /// Of the lengths from `start` on, which is where the body of an open message begins.
    func growth(since start: Int) -> Int {
        guard let last = lengths.last, last.offset >= start else { return 0 }
        var low = 0
        var high = lengths.count - 1
        while low < high {
            let middle = (low + high) / 2
            if lengths[middle].offset >= start { high = middle } else { low = middle + 1 }
        }
        return growth - lengths[low].growthBefore
    }

    /// In the order of the output.
    func inOrder() -> [Length] { lengths.sorted { $0.offset < $1.offset } }
}
