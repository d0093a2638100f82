/// The candidate that `name` is most likely a typing error for, or nil when none is close.
///
/// Closeness is the optimal string alignment distance (insertions, deletions, substitutions and
/// swaps of neighbours), up to half the name's length and 3 at most. A dash for an underscore and a
/// difference in case are free.
func nearestName(to name: String, in candidates: some Sequence<String>) -> String? {
    let nameLengthMax = 128
    let wanted = foldedForComparison(name)
    guard !wanted.isEmpty, wanted.count <= nameLengthMax else { return nil }
    let distanceMax = wanted.count < 3 ? 0 : min(3, wanted.count / 2)
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let folded = foldedForComparison(candidate)
        guard abs(folded.count - wanted.count) <= distanceMax else { continue }
        let distance = alignmentDistance(wanted, folded)
        if distance <= distanceMax, distance < best?.distance ?? Int.max {
            best = (candidate, distance)
        }
    }
    return best?.name
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

private func alignmentDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for i in left.indices {
        var current = [i + 1]
        for j in right.indices {
            let isSame = left[i] == right[j]
            var distance = min(
                previous[j + 1] + 1, current[j] + 1, previous[j] + (isSame ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                distance = min(distance, beforePrevious[j - 1] + 1)
            }
            current.append(distance)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[right.count]
}
