import Bytes
import OTLP

extension DebugText {
    mutating func brief(_ view: SpanView, _ span: RawSpan) {
        line(
            "\(Self.text(view.name, span)) \(view.traceID) \(view.spanID)"
                + Self.pairs(view.attributes, span, prefix: " "))
    }

    mutating func detail(_ view: SpanView, _ number: Int, _ span: RawSpan) {
        line("Span #\(number)")
        line("    Trace ID       : \(view.traceID)")
        line("    Parent ID      : \(view.parentSpanID.isZero ? "" : "\(view.parentSpanID)")")
        line("    ID             : \(view.spanID)")
        line("    Name           : \(Self.text(view.name, span))")
        line("    Kind           : \(Self.kindName(view.kind))")
        if !view.traceState.isEmpty {
            line("    Trace state    : \(Self.text(view.traceState, span))")
        }
        if view.flags != 0 { line("    Flags          : \(view.flags)") }
        line("    Start time     : \(Self.time(view.startTime))")
        line("    End time       : \(Self.time(view.endTime))")
        line("    Status code    : \(Self.statusName(view.statusCode))")
        line("    Status message : \(Self.text(view.statusMessage, span))")
        dropped("attributes", view.droppedAttributesCount)
        dropped("events", view.droppedEventsCount)
        dropped("links", view.droppedLinksCount)
        if view.attributeCount > 0 {
            line("Attributes:")
            list(view.attributes, span)
        }
        listEvents(view, span)
        listLinks(view, span)
    }

    mutating func dropped(_ what: String, _ count: UInt32) {
        if count > 0 { line("    Dropped \(what) count: \(count)") }
    }

    private mutating func listEvents(_ view: SpanView, _ span: RawSpan) {
        guard view.eventCount > 0 else { return }
        line("Events:")
        var events = view.events
        var number = 0
        while let field = events.next(in: span) {
            let event = EventView(field.value, in: span)
            line("SpanEvent #\(number)")
            line("     -> Name: \(Self.text(event.name, span))")
            line("     -> Timestamp: \(Self.time(event.time))")
            line("     -> Dropped attributes count: \(event.droppedAttributesCount)")
            if event.attributeCount > 0 {
                line("     -> Attributes:")
                list(event.attributes, span)
            }
            number += 1
        }
    }

    private mutating func listLinks(_ view: SpanView, _ span: RawSpan) {
        guard view.linkCount > 0 else { return }
        line("Links:")
        var links = view.links
        var number = 0
        while let field = links.next(in: span) {
            let link = LinkView(field.value, in: span)
            line("SpanLink #\(number)")
            line("     -> Trace ID: \(link.traceID)")
            line("     -> ID: \(link.spanID)")
            line("     -> Trace state: \(Self.text(link.traceState, span))")
            line("     -> Dropped attributes count: \(link.droppedAttributesCount)")
            if link.attributeCount > 0 {
                line("     -> Attributes:")
                list(link.attributes, span)
            }
            number += 1
        }
    }

    private static func kindName(_ kind: Int32) -> String {
        let names = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"]
        return names.indices.contains(Int(kind)) ? names[Int(kind)] : "\(kind)"
    }

    private static func statusName(_ code: Int32) -> String {
        let names = ["Unset", "Ok", "Error"]
        return names.indices.contains(Int(code)) ? names[Int(code)] : "\(code)"
    }
}
