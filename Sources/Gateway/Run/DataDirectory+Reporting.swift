import DurableLog
import Platform
import Synchronization
import Telemetry

extension DataDirectory {
    func observe(_ durable: DurableLog) {
        func gauge(_ name: String, _ help: String, _ value: @escaping @Sendable () -> Int) {
            metrics.observableGauge(name, help: help, labels: ["pipeline"])
                .with(durable.name).observe { Double(value()) }
        }
        gauge("sluice_log_bytes", "Bytes of a pipeline's log.") { durable.status.bytes }
        gauge("sluice_log_needed_bytes", "Bytes of it that some exporter has yet to deliver.") {
            durable.status.neededBytes
        }
        gauge("sluice_log_max_bytes", "The log's limit, max_size.") { durable.settings.bytesMax }
        gauge("sluice_log_damaged_bytes", "Bytes found damaged since the start.") {
            durable.counters.damagedBytes.load(ordering: .relaxed)
        }
        gauge(
            "sluice_log_missing_items",
            "Acknowledged items that the start did not find, although an exporter needed them."
        ) { durable.counters.missingItems.load(ordering: .relaxed) }
        gauge("sluice_log_troubles", "Operations of the storage that fail at present.") {
            durable.troubles.count
        }
        gauge("sluice_log_written_bytes", "Bytes written since the start.") {
            durable.counters.writtenBytes.load(ordering: .relaxed)
        }
        gauge("sluice_log_commits", "Group commits since the start.") {
            durable.counters.commits.load(ordering: .relaxed)
        }
        gauge("sluice_log_commit_failures", "Group commits that failed since the start.") {
            durable.counters.commitFailures.load(ordering: .relaxed)
        }
    }

    func report(_ pipeline: String) -> @Sendable (LogEvent) -> Void {
        let log = log
        let name = LogField("pipeline", pipeline)
        let errors = metrics.counter(
            "sluice_log_errors", help: "Operations of a log's storage that failed.",
            labels: ["pipeline", "operation"])
        // From the start, so that their increase is seen.
        for operation in StorageOperation.allCases { _ = errors.with(pipeline, operation.rawValue) }
        return { event in
            switch event {
            case .tornEnd(let segment, let bytes):
                log.info(
                    "the log's end was cut: the last run did not stop by itself", name,
                    LogField("segment", segment), LogField("bytes", bytes))
            case .damaged(let segment, let offset, let bytes, let savedTo):
                log.error(
                    "the log is damaged; reading goes on behind it", name,
                    LogField("segment", segment), LogField("offset", offset),
                    LogField("bytes", bytes), LogField("saved_to", savedTo ?? "nowhere"))
            case .unreadable(let segment, let movedTo):
                log.error(
                    "a file of the log is no segment", name, LogField("segment", segment),
                    LogField("moved_to", movedTo ?? "nowhere"))
            case .segmentAbandoned(let segment, let error):
                log.error(
                    "writing the log failed; another segment is begun", name,
                    LogField("segment", segment), LogField("error", error))
            case .refusing(let refusal):
                log.error("new data is refused", name, LogField("reason", "\(refusal)"))
            case .accepting: log.info("new data is accepted again", name)
            case .skipped(let cursor, let first, let last, let items, let isExpired):
                log.error(
                    "items given up", name, LogField("exporter", cursor),
                    LogField("because", isExpired ? "older than max_age" : "the log was full"),
                    LogField("first", first), LogField("last", last), LogField("items", items))
            case .missing(let missing):
                log.error(
                    "acknowledged data is gone from the log; cursors and later segments know of it",
                    name, LogField("where", missing.place.rawValue),
                    LogField("first", missing.numbers.lowerBound),
                    LogField("last", missing.numbers.upperBound - 1),
                    LogField("items", missing.items))
            case .storageFailed(let trouble):
                errors.with(pipeline, trouble.operation.rawValue).add(1)
                log.rateLimited.error(
                    trouble.operation.consequence, name, LogField("subject", trouble.subject),
                    LogField("error", trouble.error))
            case .storageRecovered(let operation, let subject):
                log.info(
                    "the log's storage works again", name,
                    LogField("operation", operation.rawValue), LogField("subject", subject))
            case .cursorsUnreadable(let error):
                log.error(
                    "the cursors cannot be read; everything in the log is delivered again", name,
                    LogField("error", error))
            case .orphanedCursor(let cursor, let items):
                log.warn(
                    "the log keeps items for an exporter that is not configured", name,
                    LogField("exporter", cursor), LogField("items", items),
                    LogField("either", "configure it again or name it in service.log.abandon"))
            }
        }
    }
}

extension StorageOperation {
    /// What it means for the operator that it fails, as the message of a log line.
    fileprivate var consequence: StaticString {
        switch self {
        case .read: "the log cannot be read; the exporter waits, and nothing is passed over"
        case .write: "the log cannot be written"
        case .saveCursors: "cursors could not be saved; after a crash more is delivered twice"
        case .delete: "a segment that nobody needs cannot be deleted"
        case .copyDamage: "damaged bytes cannot be copied; their segment is kept aside instead"
        }
    }
}
