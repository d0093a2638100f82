import Synchronization

/// All metrics of a process.
///
/// Registering a name again with the same definition gives the metric that is there, so that a
/// reload keeps counting; with another definition it is a mistake of ours, and traps.
public final class MetricRegistry: Sendable {
    /// Series of one family, unless it says otherwise: what a peer can name (a route, a status)
    /// must not grow without end.
    public static let seriesMaxDefault = 1_000

    private let families = Mutex<[String: any AnyMetricFamily]>([:])

    public init() {}

    /// A counter without labels.
    /// - Parameter name: without `_total`; see `ExpositionNames` for what a scrape shows.
    public func counter(_ name: String, help: String, unit: MetricUnit = .none) -> Counter {
        counter(name, help: help, unit: unit, labels: []).with()
    }

    public func counter(
        _ name: String, help: String, unit: MetricUnit = .none, labels: [String],
        seriesMax: Int = seriesMaxDefault
    ) -> MetricFamily<Counter> {
        family(describe(name, help, unit, .counter, labels), seriesMax) { Counter() }
    }

    /// A gauge without labels.
    public func gauge(_ name: String, help: String, unit: MetricUnit = .none) -> Gauge {
        gauge(name, help: help, unit: unit, labels: []).with()
    }

    public func gauge(
        _ name: String, help: String, unit: MetricUnit = .none, labels: [String],
        seriesMax: Int = seriesMaxDefault
    ) -> MetricFamily<Gauge> {
        family(describe(name, help, unit, .gauge, labels), seriesMax) { Gauge() }
    }

    /// A histogram without labels.
    /// - Parameter bounds: upper bounds, inclusive, ascending and finite.
    public func histogram(
        _ name: String, help: String, unit: MetricUnit = .none, bounds: [Double]
    ) -> Histogram {
        histogram(name, help: help, unit: unit, bounds: bounds, labels: []).with()
    }

    public func histogram(
        _ name: String, help: String, unit: MetricUnit = .none, bounds: [Double],
        labels: [String], seriesMax: Int = seriesMaxDefault
    ) -> MetricFamily<Histogram> {
        precondition(bounds.count <= Histogram.boundsMax, "\(name): too many bounds")
        precondition(
            bounds.allSatisfy(\.isFinite) && zip(bounds, bounds.dropFirst()).allSatisfy(<),
            "\(name): bounds ascend and are finite")
        precondition(!labels.contains("le"), "\(name): le is the label of buckets")
        return family(describe(name, help, unit, .histogram(bounds: bounds), labels), seriesMax) {
            Histogram(bounds: bounds)
        }
    }

    /// Gauges that are asked for their value at each scrape.
    public func observableGauge(
        _ name: String, help: String, unit: MetricUnit = .none, labels: [String] = [],
        seriesMax: Int = seriesMaxDefault
    ) -> MetricFamily<Observable> {
        family(describe(name, help, unit, .gauge, labels, isObservable: true), seriesMax) {
            Observable(isCounter: false)
        }
    }

    /// Counters that are asked for their value at each scrape.
    public func observableCounter(
        _ name: String, help: String, unit: MetricUnit = .none, labels: [String] = [],
        seriesMax: Int = seriesMaxDefault
    ) -> MetricFamily<Observable> {
        family(describe(name, help, unit, .counter, labels, isObservable: true), seriesMax) {
            Observable(isCounter: true)
        }
    }

    /// Families by name, so that a scrape's order does not change.
    func sortedFamilies() -> [any AnyMetricFamily] {
        families.withLock { $0.sorted { $0.key < $1.key }.map(\.value) }
    }

    private func describe(
        _ name: String, _ help: String, _ unit: MetricUnit, _ kind: MetricDescription.Kind,
        _ labels: [String], isObservable: Bool = false
    ) -> MetricDescription {
        precondition(MetricNameSyntax.isName(name), "\(name) is no metric name")
        precondition(
            labels.allSatisfy(MetricNameSyntax.isName), "\(name): \(labels) as labels")
        precondition(Set(labels).count == labels.count, "\(name): a label twice in \(labels)")
        return MetricDescription(
            name: name, help: help, unit: unit, kind: kind, labels: labels,
            isObservable: isObservable)
    }

    private func family<Series: Instrument>(
        _ description: MetricDescription, _ seriesMax: Int,
        make: @escaping @Sendable () -> Series
    ) -> MetricFamily<Series> {
        families.withLock { families in
            guard let known = families[description.name] else {
                let made = MetricFamily(description, seriesMax: seriesMax, make: make)
                families[description.name] = made
                return made
            }
            guard known.description == description, let same = known as? MetricFamily<Series>
            else { preconditionFailure("\(description.name) is registered with two definitions") }
            return same
        }
    }
}

/// Prometheus' data model: `[a-zA-Z_][a-zA-Z0-9_]*`. Colons, which metric names may have, are for
/// recording rules, and two leading underscores are Prometheus' own.
enum MetricNameSyntax {
    static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, isLetter(first), !name.hasPrefix("__") else {
            return false
        }
        return name.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
