import DurableLog
import HTTP
import OTLP
import Pipeline
import Platform

/// What `/ready` says: 200 exactly while new data can be accepted. The state of each exporter
/// stands in the body and never turns it off: a dead destination is no reason to take the gateway
/// out of service while its queue has room.
struct ReadinessReport {
    private let status: HTTPStatus
    private let text: String

    init(_ gateway: Gateway) {
        let exporters = gateway.exporterStatus
        let full = exporters.filter(\.status.queue.isFull)
        let refusing = gateway.refusingProcessors
        let refusal = gateway.logRefusal ?? gateway.doorRefusal
        let isReady = gateway.isReady && full.isEmpty && refusing.isEmpty && refusal == nil
        status = isReady ? .ok : .serviceUnavailable
        var reason = ""
        if !gateway.isReady {
            reason = "starting or stopping"
        } else if !full.isEmpty {
            reason = "queue full: " + full.map(\.id).joined(separator: ", ")
        } else if let refusal {
            reason = refusal
        } else if !refusing.isEmpty {
            reason = "refusing: " + refusing.joined(separator: ", ")
        }
        let parts = exporters.map { Self.describe($0.id, $0.status) }.joined(separator: ",")
        text =
            #"{"ready":\#(isReady),"#
            + (isReady ? "" : #""reason":\#(OTLPJSON.quoted(reason)),"#)
            + #""exporters":{\#(parts)}"#
            + Self.describe(gateway.storageTroubles) + "}"
    }

    /// What the storage of the logs fails at present; nothing where all is well.
    private static func describe(
        _ troubles: [(pipeline: String, trouble: StorageTrouble)]
    ) -> String {
        guard !troubles.isEmpty else { return "" }
        let parts = troubles.map { pipeline, trouble in
            #"{"pipeline":\#(OTLPJSON.quoted(pipeline)),"#
                + #""operation":"\#(trouble.operation.rawValue)","#
                + #""error":\#(OTLPJSON.quoted(trouble.error)),"#
                + #""since_unix_seconds":\#(trouble.since / 1_000_000_000)}"#
        }
        return #","storage_errors":[\#(parts.joined(separator: ","))]"#
    }

    var response: HTTPResponse { .json(status, text + "\n") }

    private static func describe(_ id: String, _ status: Delivery.Status) -> String {
        let queue = status.queue
        let lag = queue.oldestReceivedAt.map(Self.seconds(since:)) ?? 0
        let capacity = queue.capacity.map(String.init) ?? "null"
        var text = OTLPJSON.quoted(id) + ":{"
        text += #""state":"\#(status.isFailing ? "failing" : "ok")","#
        text += #""lag_seconds":\#(rounded(lag)),"#
        text += #""queue":{"requests":\#(queue.batches),"items":\#(queue.items),"#
        text += #""bytes":\#(queue.bytes),"size":\#(queue.size),"capacity":\#(capacity)}"#
        if let error = status.lastError {
            text += #","last_error":\#(OTLPJSON.quoted(error))"#
            text += #","last_error_unix_seconds":\#(status.lastErrorAt / 1_000_000_000)"#
        }
        return text + "}"
    }

    private static func seconds(since time: UInt64) -> Double {
        let now = SystemClock().unixNanoseconds
        return Double(now - min(now, time)) / 1e9
    }

    private static func rounded(_ seconds: Double) -> Double {
        (seconds * 1000).rounded() / 1000
    }
}
