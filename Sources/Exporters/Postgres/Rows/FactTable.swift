import OTLP

/// The tables that items become rows of.
enum FactTable: Int, CaseIterable, Sendable {
    case span
    case log
    case metricNumber
    case metricHistogram
    case metricExponentialHistogram
    case metricSummary

    var name: String {
        switch self {
        case .span: "span"
        case .log: "log"
        case .metricNumber: "metric_number"
        case .metricHistogram: "metric_histogram"
        case .metricExponentialHistogram: "metric_exp_histogram"
        case .metricSummary: "metric_summary"
        }
    }

    /// In the order of the tuples' fields.
    var columns: [String] {
        switch self {
        case .span: FactRows.spanColumns
        case .log: FactRows.logColumns
        case .metricNumber: FactRows.numberColumns
        case .metricHistogram: FactRows.histogramColumns
        case .metricExponentialHistogram: FactRows.exponentialColumns
        case .metricSummary: FactRows.summaryColumns
        }
    }

    /// What starts the COPY of the table's rows.
    var copyStatement: String {
        "COPY @schema@.\(name) (\(columns.joined(separator: ", "))) FROM STDIN (FORMAT binary)"
    }

    init(_ kind: MetricKind) {
        switch kind {
        case .gauge, .sum, .none: self = .metricNumber
        case .histogram: self = .metricHistogram
        case .exponentialHistogram: self = .metricExponentialHistogram
        case .summary: self = .metricSummary
        }
    }

    /// Before the first tuple: signature, flags, and the length of an extension of the header.
    static let copyHeader: [UInt8] =
        Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [0, 0, 0, 0] + [0, 0, 0, 0]
    /// After the last tuple.
    static let copyTrailer: [UInt8] = [0xFF, 0xFF]
}

/// Bytes of what indexes hold: a row of a B-tree has 2,704 at most, and some have two of these.
/// What is longer is cut there.
enum IndexedName {
    /// The whole name is in the resource's attributes.
    static let serviceBytesMax = 256
    /// The whole name is the span's.
    static let operationBytesMax = 512
    /// OpenTelemetry's limit is 255 characters.
    static let metricBytesMax = 1024
}
