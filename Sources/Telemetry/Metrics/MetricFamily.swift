import Synchronization

/// What one series holds, and how it is written.
protocol Instrument: AnyObject, Sendable {
    func write(_ samples: inout SampleWriter)
}

/// What a metric is. Two registrations of one name must agree on all of it.
struct MetricDescription: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case counter, gauge, histogram(bounds: [Double])
    }

    let name: String
    let help: String
    let unit: MetricUnit
    let kind: Kind
    let labels: [String]
    let isObservable: Bool
}

/// Units that may become a part of a name (`_seconds`). Items are counted without one.
public enum MetricUnit: String, Sendable {
    case none = ""
    case seconds
    case bytes
}

/// One metric with labels: a series for each combination of label values.
///
/// Resolve a series once, when a component is built, and keep it: looking one up takes a lock,
/// using one does not.
public final class MetricFamily<Series: Sendable & AnyObject>: Sendable {
    /// The value of every label in the series that takes what is beyond `seriesMax`.
    public static var overflowLabel: String { "other" }

    let description: MetricDescription
    private let seriesMax: Int
    private let make: @Sendable () -> Series
    private let series = Mutex<[[String]: Series]>([:])

    init(
        _ description: MetricDescription, seriesMax: Int, make: @escaping @Sendable () -> Series
    ) {
        self.description = description
        self.seriesMax = seriesMax
        self.make = make
    }

    /// The series with these label values, in the order of the family's labels; made when it is
    /// first asked for, starting at zero.
    public func with(_ values: String...) -> Series { with(values) }

    /// The series with these label values, in the order of the family's labels.
    public func with(_ values: [String]) -> Series {
        precondition(
            values.count == description.labels.count,
            "\(description.name) has the labels \(description.labels)")
        return series.withLock { series in
            if let known = series[values] { return known }
            var key = values
            if series.count >= seriesMax, !values.isEmpty {
                key = values.map { _ in Self.overflowLabel }
                if let overflow = series[key] { return overflow }
            }
            let made = make()
            series[key] = made
            return made
        }
    }

    /// Ends a series: for a component that a reload has taken away.
    public func remove(_ values: String...) {
        series.withLock { $0[values] = nil }
    }

    /// The series by label values, in an order that does not change from one scrape to the next.
    func sorted() -> [(values: [String], series: Series)] {
        series.withLock { Array($0) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { ($0.key, $0.value) }
    }
}

/// A family of which only the output matters.
protocol AnyMetricFamily: AnyObject, Sendable {
    var description: MetricDescription { get }
    func write(_ samples: inout SampleWriter)
}

extension MetricFamily: AnyMetricFamily where Series: Instrument {
    func write(_ samples: inout SampleWriter) {
        for (values, series) in sorted() {
            samples.labels = zip(description.labels, values).map { ($0, $1) }
            series.write(&samples)
        }
    }
}
