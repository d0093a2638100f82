/// The part of a metric that a sample is.
enum SampleSuffix {
    case plain, counter, bucket(upTo: Double), sum, count
}

enum SampleValue {
    case unsigned(UInt64)
    case signed(Int)
    case double(Double)
}

/// Writes families and samples in one of the two text formats.
///
///     # HELP name text          (escaped: \\ \n; OpenMetrics also \")
///     # TYPE name counter
///     name{label="value"} 1     (values escaped: \\ \n \")
///     # EOF                     (OpenMetrics only)
struct SampleWriter {
    let format: ExpositionFormat
    let names: ExpositionNames
    /// The labels of the samples that follow.
    var labels: [(name: String, value: String)] = []

    private var output: [UInt8] = []
    private var name = ""
    private var counterSuffix = ""

    init(format: ExpositionFormat, names: ExpositionNames) {
        self.format = format
        self.names = names
        output.reserveCapacity(16_384)
    }

    /// Begins a family.
    mutating func start(_ description: MetricDescription) {
        name = names.base(description)
        counterSuffix = ""
        let type = typeName(description)
        if names.hasTypeSuffix, description.kind == .counter { counterSuffix = "_total" }
        // OpenMetrics names the family without `_total`, the older format with it.
        let familyName = format == .openMetrics ? name : name + counterSuffix
        append("# HELP \(familyName) ")
        append(escaping: description.help, quotes: format == .openMetrics)
        append("\n# TYPE \(familyName) \(type)\n")
        if format == .openMetrics, description.unit != .none,
            name.hasSuffix("_\(description.unit.rawValue)")
        {
            append("# UNIT \(familyName) \(description.unit.rawValue)\n")
        }
    }

    mutating func write(_ suffix: SampleSuffix, _ value: SampleValue) {
        append(name)
        var bound: Double?
        switch suffix {
        case .plain: break
        case .counter: append(counterSuffix)
        case .bucket(let upTo):
            append("_bucket")
            bound = upTo
        case .sum: append("_sum")
        case .count: append("_count")
        }
        appendLabels(bound: bound)
        append(" ")
        append(value)
        append("\n")
    }

    mutating func finish() -> [UInt8] {
        if format == .openMetrics { append("# EOF\n") }
        return output
    }

    /// In OpenMetrics a counter's sample must end in `_total`. With the Collector's bare names it
    /// does not: then its type is said to be unknown, which is allowed and keeps the name, so
    /// that a query finds the same series whichever format a scraper negotiates.
    private func typeName(_ description: MetricDescription) -> String {
        switch description.kind {
        case .counter: format == .openMetrics && !names.hasTypeSuffix ? "unknown" : "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }

    private mutating func appendLabels(bound: Double?) {
        if labels.isEmpty, bound == nil { return }
        var separator = "{"
        for (name, value) in labels {
            append("\(separator)\(name)=\"")
            append(escaping: value, quotes: true)
            append("\"")
            separator = ","
        }
        if let bound { append("\(separator)le=\"\(text(bound: bound))\"") }
        append("}")
    }

    /// OpenMetrics wants bounds in one canonical form, `1.0`; the older format's habit is `1`.
    private func text(bound: Double) -> String {
        if bound == .infinity { return "+Inf" }
        return format == .openMetrics ? "\(bound)" : Self.text(bound)
    }

    private mutating func append(_ value: SampleValue) {
        switch value {
        case .unsigned(let number): append(String(number))
        case .signed(let number): append(String(number))
        case .double(let number): append(Self.text(number))
        }
    }

    private static func text(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
        let text = "\(number)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private mutating func append(_ text: String) {
        output.append(contentsOf: text.utf8)
    }

    private mutating func append(escaping text: String, quotes: Bool) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\"") where quotes: append("\\\"")
            default: output.append(byte)
            }
        }
    }
}
