import Bytes
import OTLP

extension RowWriter {
    static let logColumns = [
        "id", "time", "time_source", "observed_time", "trace_id", "span_id", "resource_id",
        "scope_id", "severity_number", "severity_text", "service_name", "event_name", "body",
        "body_json", "flags", "dropped_attributes", "attributes", "adjusted_count",
    ]

    func write(
        log item: ItemEntry, _ resource: ResourceContext, _ scope: ScopeContext,
        _ bytes: RawSpan
    ) throws(SQLiteError) {
        let record = LogRecordView(item.body, in: bytes)
        let traceID = record.traceID.isZero ? 0..<0 : building { $0.hex(record.traceID) }
        var threshold = ByteRange.none
        let attributes = json.attributes(record.attributes, bytes) {
            AdjustedCount.note($0, $1, bytes, in: &threshold)
        }
        let body = bodyJSON(of: record, bytes)
        logs.bind(nextID)
        bindTime(of: record)
        logs.bindUnlessZero(signed(record.observedTime))
        bindJSON(logs, traceID)
        logs.bindUnlessZero(Int64(bitPattern: record.spanID.word))
        logs.bind(resource.id)
        logs.bind(scope.id)
        logs.bind(Int64(record.severityNumber))
        logs.bindUnlessEmpty(bytes, record.severityText)
        logs.bind(resource.serviceName.rawSpan)
        logs.bindUnlessEmpty(bytes, record.eventName)
        if case .string(let text) = record.content {
            logs.bind(bytes, text)
        } else {
            logs.bindNull()
        }
        bindJSON(logs, body)
        logs.bindUnlessZero(Int64(record.flags))
        logs.bindUnlessZero(Int64(record.droppedAttributesCount))
        bindJSON(logs, attributes)
        let adjusted = AdjustedCount.of(threshold: threshold, bytes)
        logs.bind(emptyCount > 1 ? Double(emptyCount) : adjusted)
        try logs.run()
    }

    /// The collector of a file often knows only when it saw a line: queries by time must find it.
    private func bindTime(of record: LogRecordView) {
        if record.time != 0 {
            logs.bind(signed(record.time))
            logs.bind(Int64(LogTimeSource.item.rawValue))
        } else if record.observedTime != 0 {
            logs.bind(signed(record.observedTime))
            logs.bind(Int64(LogTimeSource.observation.rawValue))
        } else {
            logs.bind(now)
            logs.bind(Int64(LogTimeSource.arrival.rawValue))
        }
    }

    /// Of a body that is not text.
    private func bodyJSON(of record: LogRecordView, _ bytes: RawSpan) -> Range<Int> {
        switch record.content {
        case .empty, .string: 0..<0
        case let value: building { $0.value(value, bytes) }
        }
    }
}
