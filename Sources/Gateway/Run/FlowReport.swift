import DurableLog
import OTLP
import Pipeline
import Platform

/// What became of every item, added up.
///
/// On the way in, since the start of the process, for each pipeline:
///
///     accepted == sampled away + dropped by processors + appended to the log
///
/// From the log to each exporter, since its cursor began, earlier runs included:
///
///     items == exported + dropped + set aside + skipped + lost + pending
///
/// The two meet in the log: what was appended is what the log has had since the start.
struct FlowReport: Sendable {
    struct PipelineReport: Sendable {
        var name: String
        var signal: Signal?
        var counts: PipelineFlow.Counts
        var log: LogAccounts
        var status: LogStatus
        var bytesMax: Int?
        var exporters: [ExporterReport]
        /// Whether appended and logged agree, within what was on its way while they were read.
        var isLogBalanced: Bool

        var isIntakeBalanced: Bool {
            counts.accepted == counts.appended + counts.removed.values.reduce(0, +)
        }
        var isBalanced: Bool {
            isIntakeBalanced && isLogBalanced && exporters.allSatisfy(\.account.isBalanced)
        }
    }

    struct ExporterReport: Sendable {
        var id: String
        var account: CursorAccount
        var lagSeconds: Double
        var secondsUntilFull: Double?
        /// Sent again by command, which no sum has in it.
        var replayed: Int
    }

    var unixNanoseconds: UInt64
    var uptime: Duration
    var pipelines: [PipelineReport]

    var isBalanced: Bool { pipelines.allSatisfy(\.isBalanced) }
}

extension FlowReport.PipelineReport {
    /// Reads what moves meanwhile in an order in which the sums can be judged: what the log has is
    /// at least what had been appended before, and at most what has been, or may be, after.
    init(
        _ log: DurableLog, _ flow: PipelineFlow,
        exporters: (LogAccounts) -> [FlowReport.ExporterReport]
    ) {
        let before = flow.counts
        let accounts = log.accounts
        counts = flow.counts
        isLogBalanced =
            before.appended <= accounts.itemsSinceOpen
            && accounts.itemsSinceOpen <= counts.appended + counts.appending
        name = log.name
        signal = Signal(pipeline: log.name)
        self.log = accounts
        status = log.status
        bytesMax = log.settings.durability == .memory ? nil : log.settings.bytesMax
        self.exporters = exporters(accounts)
    }
}

// MARK: - JSON

extension FlowReport {
    var json: String {
        var text = #"{"time_unix_nano":"\#(unixNanoseconds)","#
        text += #""uptime_seconds":\#(Self.rounded(uptime.inSeconds)),"balanced":\#(isBalanced),"#
        text += #""pipelines":[\#(pipelines.map(\.json).joined(separator: ","))]}"#
        return text
    }

    fileprivate static func rounded(_ seconds: Double) -> Double {
        (seconds * 1000).rounded() / 1000
    }
}

extension FlowReport.PipelineReport {
    fileprivate var json: String {
        let removed = counts.removed.sorted { $0.key.processor < $1.key.processor }
        let processors = removed.map { removal, items in
            #"{"processor":\#(OTLPJSON.quoted(removal.processor)),"#
                + #""\#(removal.isSampling ? "sampled_away" : "dropped")":\#(items)}"#
        }
        var text = #"{"pipeline":\#(OTLPJSON.quoted(name)),"#
        text += #""signal":"\#(signal?.name ?? "")","#
        text += #""accepted":\#(counts.accepted),"refused":\#(counts.refused),"#
        text += #""processors":[\#(processors.joined(separator: ","))],"#
        text += #""appended":\#(counts.appended),"appending":\#(counts.appending),"#
        text += #""log":{"items":\#(log.items),"items_since_start":\#(log.itemsSinceOpen),"#
        text += #""bytes":\#(status.bytes),"needed_bytes":\#(status.neededBytes),"#
        text += #""max_bytes":\#(bytesMax.map(String.init) ?? "null"),"#
        text += #""refusing":\#(status.refusal.map { OTLPJSON.quoted("\($0)") } ?? "null")},"#
        text += #""balanced":\#(isBalanced),"#
        text += #""exporters":[\#(exporters.map(\.json).joined(separator: ","))]}"#
        return text
    }
}

extension FlowReport.ExporterReport {
    fileprivate var json: String {
        let totals = account.totals
        let untilFull = secondsUntilFull.map { "\(FlowReport.rounded($0))" } ?? "null"
        var text = #"{"exporter":\#(OTLPJSON.quoted(id)),"#
        text += #""cursor":\#(OTLPJSON.quoted(account.name)),"orphaned":\#(account.isOrphan),"#
        text += #""items":\#(account.items),"exported":\#(totals.exported),"#
        text += #""dropped":\#(totals.dropped),"set_aside":\#(totals.setAside),"#
        text += #""skipped":\#(totals.skipped),"lost":\#(totals.lost),"#
        text += #""pending":{"items":\#(account.pending.items),"bytes":\#(account.pending.bytes),"#
        text += #""requests":\#(account.pending.records)},"#
        text += #""lag_seconds":\#(FlowReport.rounded(lagSeconds)),"#
        text += #""seconds_until_full":\#(untilFull),"replayed":\#(replayed),"#
        text += #""balanced":\#(account.isBalanced)}"#
        return text
    }
}
