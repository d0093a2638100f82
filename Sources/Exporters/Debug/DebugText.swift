import Bytes
import OTLP
import Platform

/// Telemetry as text for people. What a peer sent cannot move the reader's cursor: control
/// characters are escaped, and values are cut at a length.
struct DebugText {
    private(set) var bytes: [UInt8] = []
    private let time: CivilTime
    private let bytesMax: Int
    private var omittedLineCount = 0

    /// Longer values are cut, with a note of how much is missing.
    static let valueBytesMax = 1024

    /// - Parameters:
    ///   - time: stands on each batch's first line.
    ///   - bytesMax: of the text. Lines beyond it are counted.
    init(time: CivilTime, bytesMax: Int = .max) {
        self.time = time
        self.bytesMax = bytesMax
    }

    /// All lines, and how many are not among them.
    consuming func finish() -> [UInt8] {
        if omittedLineCount > 0 {
            bytes += "\(time.rfc3339) \(omittedLineCount) lines not shown: too many at once\n".utf8
        }
        return bytes
    }

    mutating func noteSuppressed(_ count: Int) {
        if count > 0 { line("\(time.rfc3339) \(count) batches not shown (sampling)") }
    }

    /// One batch.
    mutating func append(
        _ payload: [UInt8], _ index: TelemetryIndex, _ verbosity: DebugSettings.Verbosity
    ) {
        summarize(payload, index)
        guard verbosity != .basic else { return }
        let isDetailed = verbosity == .detailed
        let span = payload.rawSpan
        var scopeIndex = 0
        var metrics = index.metrics[...]
        noteItemless(index)
        for (resourceIndex, resource) in index.resources.enumerated() {
            if resource.items.isEmpty {
                // Their scopes and metrics have none either.
                while scopeIndex < index.scopes.count,
                    index.scopes[scopeIndex].resource == resourceIndex
                {
                    metrics = metrics.drop { $0.scope == scopeIndex }
                    scopeIndex += 1
                }
                continue
            }
            describe(resource, number: resourceIndex, index, span, isDetailed: isDetailed)
            var number = 0
            while scopeIndex < index.scopes.count,
                index.scopes[scopeIndex].resource == resourceIndex
            {
                let items = index.items[index.scopes[scopeIndex].items]
                if !items.isEmpty {
                    describe(index.scopes[scopeIndex], number, index, span, isDetailed: isDetailed)
                }
                if index.signal == .metrics {
                    // Metrics stand in the order of their scopes.
                    let own = metrics.prefix { $0.scope == scopeIndex }
                    metrics = metrics.dropFirst(own.count)
                    append(own, index, span, isDetailed: isDetailed)
                } else {
                    append(items, index.signal, span, isDetailed: isDetailed)
                }
                scopeIndex += 1
                number += 1
            }
        }
    }

    /// What has no items is not shown: it says nothing of anything, and a request can hold more of
    /// it than a person can read.
    private mutating func noteItemless(_ index: TelemetryIndex) {
        let counts = [
            ("resources", index.resources.count { $0.items.isEmpty }),
            ("scopes", index.scopes.count { $0.items.isEmpty }),
            ("metrics", index.metrics.count { $0.items.isEmpty }),
        ].filter { $0.1 > 0 }
        guard !counts.isEmpty else { return }
        let texts = counts.map { "\($0.1) \($0.0)" }
        line("not shown, being without items: \(texts.joined(separator: ", "))")
    }

    mutating func line(_ text: String) {
        guard bytes.count < bytesMax else {
            omittedLineCount += 1
            return
        }
        bytes.append(contentsOf: text.utf8)
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func summarize(_ payload: [UInt8], _ index: TelemetryIndex) {
        let counts =
            switch index.signal {
            case .traces: "\(index.items.count) spans"
            case .metrics: "\(index.metrics.count) metrics, \(index.items.count) data points"
            case .logs: "\(index.items.count) log records"
            }
        line(
            "\(time.rfc3339) \(index.signal.name): \(counts), \(index.resources.count) resources, "
                + "\(payload.count) bytes")
    }

    private mutating func describe(
        _ resource: ResourceEntry, number: Int, _ index: TelemetryIndex, _ span: RawSpan,
        isDetailed: Bool
    ) {
        let attributes = AttributeReader(resource.attributes, field: 1)
        guard isDetailed else {
            return line("Resource #\(number)" + Self.pairs(attributes, span, prefix: " "))
        }
        line("Resource #\(number)")
        line("Resource schema URL: \(Self.text(resource.schemaURL, span))")
        line("Resource attributes:")
        list(attributes, span)
    }

    private mutating func describe(
        _ scope: ScopeEntry, _ number: Int, _ index: TelemetryIndex, _ span: RawSpan,
        isDetailed: Bool
    ) {
        let attributes = AttributeReader(scope.attributes, field: 3)
        let name = Self.text(scope.name, span)
        let version = scope.version.isEmpty ? "" : "@" + Self.text(scope.version, span)
        guard isDetailed else {
            return line(
                "Scope #\(number) \(name)\(version)"
                    + Self.pairs(attributes, span, prefix: " "))
        }
        line("Scope #\(number)")
        line("Scope schema URL: \(Self.text(scope.schemaURL, span))")
        line("Instrumentation scope: \(name)\(version)")
        if scope.attributeCount > 0 {
            line("Scope attributes:")
            list(attributes, span)
        }
    }

    private mutating func append(
        _ items: ArraySlice<ItemEntry>, _ signal: Signal, _ span: RawSpan, isDetailed: Bool
    ) {
        for (number, item) in items.enumerated() {
            if signal == .traces {
                let view = SpanView(item.body, in: span)
                if isDetailed { detail(view, number, span) } else { brief(view, span) }
            } else {
                let view = LogRecordView(item.body, in: span)
                if isDetailed { detail(view, number, span) } else { brief(view, span) }
            }
        }
    }

    private mutating func append(
        _ metrics: ArraySlice<MetricEntry>, _ index: TelemetryIndex, _ span: RawSpan,
        isDetailed: Bool
    ) {
        for (number, metric) in metrics.enumerated() where !metric.items.isEmpty {
            if isDetailed { detail(metric, number, span) }
            for (number, item) in index.items[metric.items].enumerated() {
                let point = DataPointView(item.body, metric.kind, in: span)
                if isDetailed {
                    detail(point, number, span)
                } else {
                    brief(point, of: metric, span)
                }
            }
        }
    }

    /// Attributes, one a line.
    mutating func list(_ attributes: AttributeReader, _ span: RawSpan) {
        var attributes = attributes
        while let attribute = attributes.next(in: span) {
            let value = Self.typed(attribute.value(in: span), span)
            line("     -> \(Self.text(attribute.key, span)): \(value)")
        }
    }
}
