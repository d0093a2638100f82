/// The formats in which a scraper can have the metrics.
public enum ExpositionFormat: Sendable, Equatable {
    /// Prometheus text format 0.0.4.
    case prometheusText
    /// OpenMetrics text 1.0.0.
    case openMetrics

    /// What `Accept` prefers (RFC 9110, section 12.5.1); the Prometheus text format when it says
    /// nothing or nothing that we have, since a scrape with an answer beats a 406.
    public init(accept: String?) {
        var best: (format: ExpositionFormat, quality: Double) = (.prometheusText, 0)
        for range in (accept ?? "").split(separator: ",").prefix(Self.mediaRangesMax) {
            let parts = range.split(separator: ";").map { Self.trim($0).lowercased() }
            guard let type = parts.first, let format = Self.format(type, parts.dropFirst()) else {
                continue
            }
            let quality =
                parts.first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            // On a tie the first named stays: so a list without weights means its order.
            if quality > best.quality { best = (format, quality) }
        }
        self = best.format
    }

    public var contentType: String {
        switch self {
        case .prometheusText: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// Media ranges of a header that are looked at.
    private static let mediaRangesMax = 32

    private static func format(
        _ type: String, _ parameters: ArraySlice<String>
    ) -> ExpositionFormat? {
        let version = parameters.first { $0.hasPrefix("version=") }?.dropFirst(8)
        switch type {
        case "application/openmetrics-text":
            return version == nil || version == "1.0.0" ? .openMetrics : nil
        case "text/plain": return version == nil || version == "0.0.4" ? .prometheusText : nil
        case "text/*", "*/*": return .prometheusText
        default: return nil
        }
    }

    private static func trim(_ text: Substring) -> Substring {
        var trimmed = text
        while trimmed.first == " " || trimmed.first == "\t" { trimmed.removeFirst() }
        while trimmed.last == " " || trimmed.last == "\t" { trimmed.removeLast() }
        return trimmed
    }
}
