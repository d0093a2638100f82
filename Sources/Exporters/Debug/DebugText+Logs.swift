import Bytes
import OTLP

extension DebugText {
    mutating func brief(_ view: LogRecordView, _ span: RawSpan) {
        line(Self.plain(view.content, span) + Self.pairs(view.attributes, span, prefix: " "))
    }

    mutating func detail(_ view: LogRecordView, _ number: Int, _ span: RawSpan) {
        line("LogRecord #\(number)")
        line("Timestamp: \(Self.time(view.time))")
        line("Observed timestamp: \(Self.time(view.observedTime))")
        line("Severity text: \(Self.text(view.severityText, span))")
        line("Severity number: \(Self.severityName(view.severityNumber))")
        if !view.eventName.isEmpty { line("Event name: \(Self.text(view.eventName, span))") }
        line("Body: \(Self.typed(view.content, span))")
        dropped("attributes", view.droppedAttributesCount)
        if view.attributeCount > 0 {
            line("Attributes:")
            list(view.attributes, span)
        }
        line("Trace ID: \(view.traceID.isZero ? "" : "\(view.traceID)")")
        line("Span ID: \(view.spanID.isZero ? "" : "\(view.spanID)")")
        line("Flags: \(view.flags)")
    }

    /// `Info(9)`, `Info2(10)`: OTLP has four steps for each of six levels.
    private static func severityName(_ number: Int32) -> String {
        let levels = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"]
        guard (1...24).contains(number) else { return "Unspecified(\(number))" }
        let step = (Int(number) - 1) % 4
        return "\(levels[(Int(number) - 1) / 4])\(step == 0 ? "" : "\(step + 1)")(\(number))"
    }
}
