import Platform

/// Counts durations with a relative error of at most a sixteenth, in constant space.
///
/// Cells are sixteenths of powers of two of microseconds: below 16 µs a cell is 1 µs wide.
public struct LatencyHistogram: Sendable {
    private static let cellsPerOctaveLog2 = 4
    /// Up to 2^36 µs, most of a day; what is longer goes to the last cell.
    private static let cellCount = 33 << cellsPerOctaveLog2

    private var cells = [UInt64](repeating: 0, count: cellCount)
    public private(set) var count: UInt64 = 0

    mutating func observe(_ duration: Duration) {
        let microseconds = UInt64(max(duration.nanoseconds, 0)) / 1_000
        cells[Self.cell(of: microseconds)] += 1
        count += 1
    }

    /// An upper bound of the duration that the given share of all does not exceed; `nil` before
    /// the first observation.
    public func quantile(_ share: Double) -> Duration? {
        guard count > 0 else { return nil }
        let rank = max(UInt64((Double(count) * share).rounded(.up)), 1)
        var seen: UInt64 = 0
        for (index, cell) in cells.enumerated() {
            seen += cell
            if seen >= rank { return .microseconds(Self.upperBound(of: index)) }
        }
        preconditionFailure("BUG: the cells hold fewer than were counted")
    }

    mutating func add(_ other: LatencyHistogram) {
        for index in cells.indices { cells[index] += other.cells[index] }
        count += other.count
    }

    private static func cell(of microseconds: UInt64) -> Int {
        let linear = UInt64(1) << cellsPerOctaveLog2
        if microseconds < linear { return Int(microseconds) }
        let octave = 63 - microseconds.leadingZeroBitCount - cellsPerOctaveLog2
        let within = Int(microseconds >> UInt64(octave)) - Int(linear)
        return min((octave + 1) << cellsPerOctaveLog2 + within, cellCount - 1)
    }

    /// The first microsecond that is no longer in the cell.
    private static func upperBound(of cell: Int) -> Int64 {
        let octave = cell >> cellsPerOctaveLog2 - 1
        if octave < 0 { return Int64(cell) + 1 }
        let within = cell & (1 << cellsPerOctaveLog2 - 1)
        return Int64(1 << cellsPerOctaveLog2 + within + 1) << Int64(octave)
    }
}
