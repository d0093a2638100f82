/// The candidate that `name` is most likely a typing error for, or nil when none is close.
///
/// Closeness is the optimal string alignment distance (insertions, deletions, substitutions and
/// swaps of neighbours), up to half the name's length and 3 at most. A dash for an underscore and a
/// difference in case are free. Where none is close, the shortest that goes on with a further word
/// (`attribute_count` for `attribute_count_limit`). Only the first 256 candidates are looked at.
func nearestName(to name: String, in candidates: some Sequence<String>) -> String? {
    let nameLengthMax = 128
    let candidateCountMax = 256
    let wanted = foldedForComparison(name)
    guard !wanted.isEmpty, wanted.count <= nameLengthMax else { return nil }
    let distanceMax = wanted.count < 3 ? 0 : min(3, wanted.count / 2)
    var best: (name: String, distance: Int)?
    for candidate in candidates.prefix(candidateCountMax) {
        guard abs(candidate.utf8.count - wanted.count) <= distanceMax else { continue }
        let folded = foldedForComparison(candidate)
        let limit = min(distanceMax, (best?.distance ?? Int.max) - 1)
        if let distance = alignmentDistance(wanted, folded, limit: limit) {
            best = (candidate, distance)
        }
    }
    return best?.name ?? longerName(than: wanted, in: candidates.prefix(candidateCountMax))
}

private func longerName(than wanted: [UInt8], in candidates: some Sequence<String>) -> String? {
    guard wanted.count > 3 else { return nil }
    let start = wanted + [UInt8(ascii: "_")]
    return candidates.filter { foldedForComparison($0).starts(with: start) }
        .min { $0.utf8.count < $1.utf8.count }
}

private func foldedForComparison(_ name: String) -> [UInt8] {
    name.utf8.map { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte + 32
        case UInt8(ascii: "-"): UInt8(ascii: "_")
        default: byte
        }
    }
}

/// Nil where the distance is more than `limit`. Only cells that far from the diagonal are filled:
/// what passes beyond has that many insertions or deletions.
private func alignmentDistance(_ left: [UInt8], _ right: [UInt8], limit: Int) -> Int? {
    let beyond = limit + 1
    guard abs(left.count - right.count) <= limit else { return nil }
    var beforePrevious = [Int](repeating: beyond, count: right.count + 1)
    var previous = Array(0...right.count)
    var current = beforePrevious
    for i in left.indices {
        // `current[j + 1]` is for the first i + 1 bytes of one and the first j + 1 of the other.
        let (first, end) = (max(0, i - limit), min(right.count, i + limit + 1))
        current[first] = first == 0 ? i + 1 : beyond
        var least = current[first]
        for j in first..<end {
            let isSame = left[i] == right[j]
            var distance = min(
                previous[j + 1] + 1, current[j] + 1, previous[j] + (isSame ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                distance = min(distance, beforePrevious[j - 1] + 1)
            }
            current[j + 1] = distance
            least = min(least, distance)
        }
        // The next row looks one further.
        if end < right.count { current[end + 1] = beyond }
        // No later row has less than the least of this one: each cell is at most 1 more than one
        // of the row before, so that a swap, which skips a row, gains nothing either.
        if least > limit { return nil }
        (beforePrevious, previous, current) = (previous, current, beforePrevious)
    }
    return previous[right.count] <= limit ? previous[right.count] : nil
}
