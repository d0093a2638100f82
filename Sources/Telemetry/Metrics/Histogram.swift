import Platform
import Synchronization

/// Observations counted into fixed buckets. Safe from every thread, without a lock.
public final class Histogram: Sendable {
    /// Bounds of a histogram, at most: each is a series for every label set.
    public static let boundsMax = 32
    /// Bounds in seconds for the duration of a request, as OpenTelemetry's HTTP conventions give
    /// them for `http.server.request.duration`.
    public static let durationBounds = [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    /// Bounds for sizes in bytes: powers of four from 256 B to 64 MiB.
    public static let byteBounds: [Double] = (4...13).map { Double(1 << (2 * $0)) }

    private let bounds: [Double]
    /// One cell a bound, and one for what is above the last. Their sum is the count, so that a
    /// reader never sees a count that its buckets contradict.
    private let cells: [Counter]
    private let sumBits = Atomic<UInt64>(0)

    init(bounds: [Double]) {
        self.bounds = bounds
        cells = (0...bounds.count).map { _ in Counter() }
    }

    /// Counts one observation. Not a number is counted above all bounds and left out of the sum.
    public func observe(_ value: Double) {
        var index = 0
        while index < bounds.count, !(value <= bounds[index]) { index += 1 }
        cells[index].add()
        if !value.isNaN { addToSum(value) }
    }

    /// Counts a duration, in seconds.
    public func observe(_ duration: Duration) {
        observe(duration.seconds)
    }

    public var count: UInt64 { cells.reduce(0) { $0 + $1.value } }
    public var sum: Double { Double(bitPattern: sumBits.load(ordering: .relaxed)) }

    private func addToSum(_ value: Double) {
        var old = sumBits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + value).bitPattern
            let (exchanged, original) = sumBits.weakCompareExchange(
                expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
}

extension Histogram: Instrument {
    func write(_ samples: inout SampleWriter) {
        var cumulative: UInt64 = 0
        for (bound, cell) in zip(bounds + [.infinity], cells) {
            cumulative += cell.value
            samples.write(.bucket(upTo: bound), .unsigned(cumulative))
        }
        samples.write(.sum, .double(sum))
        samples.write(.count, .unsigned(cumulative))
    }
}
