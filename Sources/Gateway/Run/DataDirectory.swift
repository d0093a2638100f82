import Bytes
import DurableLog
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry

/// The directory that outlives the process, and the logs in it. One process at a time.
final class DataDirectory: Sendable {
    private struct Logs {
        var byPipeline: [String: DurableLog] = [:]
        /// How full each log was when it was last warned of, in parts of its limit.
        var warned: [String: Double] = [:]
        /// The exporters' ids, by the names of their cursors.
        var exporters: [String: String] = [:]
    }

    let settings: LogDirectorySettings
    let epoch = LogEpoch.random()
    /// 32 hexadecimal digits, kept in the file `id`; without files, of this run alone.
    let directoryID: String
    private let log: Logger
    private let metrics: MetricRegistry
    private let clock: any Clock
    private let logs = Mutex(Logs())
    private let lags = LagHistory()
    private let cursorMetrics: CursorMetrics
    private let lock: FileDescriptor?
    let safety: DeliverySafety
    private let stopping = Monitor(false)
    private let thread = Mutex<Platform.Thread?>(nil)

    static let maintenanceInterval = Duration.seconds(1)

    init(
        _ settings: LogDirectorySettings, log: Logger, metrics: MetricRegistry, clock: any Clock
    ) throws(ComponentError) {
        self.settings = settings
        self.log = log
        self.metrics = metrics
        self.clock = clock
        cursorMetrics = CursorMetrics(metrics)
        let isDurable = settings.log.durability != .memory
        lock = isDurable ? try Self.lock(settings.directory) : nil
        directoryID = isDurable ? try Self.id(of: settings.directory) : epoch.description
        safety = isDurable ? try Self.safety(settings, log, clock) : DeliverySafety()
        do throws(SystemError) {
            let started = try Platform.Thread(name: "log-keeper") { [stopping, weak self] in
                while stopping.wait(
                    until: .now + Self.maintenanceInterval, { $0 ? true : nil }) == nil
                {
                    self?.maintain()
                }
            }
            thread.withLock { $0 = started }
        } catch {
            throw ComponentError("cannot start the thread that keeps the logs: \(error)")
        }
    }

    /// Takes the directory for this process. The lock goes with the process, however it ends.
    private static func lock(_ directory: String) throws(ComponentError) -> FileDescriptor {
        do throws(SystemError) {
            try FileSystem.makeDirectory(directory)
            // Or a power loss could take the directory with all that is in it.
            try FileSystem.synchronizeDirectory(FileSystem.parent(of: directory))
            let file = try FileDescriptor(
                opening: "\(directory)/lock", .readWrite, creating: .ifMissing)
            guard try file.tryLock() else {
                var text: [UInt8] = []
                _ = try? file.read(at: 0, upTo: 32, appendingTo: &text)
                let owner = String(decoding: text.prefix { $0 > 32 }, as: UTF8.self)
                throw SystemError(call: owner, errno: 0)
            }
            try file.truncate(to: 0)
            try file.writeAll(Array("\(CurrentProcess.id)\n".utf8).rawSpan)
            return file
        } catch {
            guard error.errno != 0 else {
                throw ComponentError(
                    "the data directory '\(directory)' is in use by process \(error.call); stop "
                        + "it, or give this one another service.log.directory")
            }
            throw ComponentError(
                "the data directory '\(directory)' cannot be used: \(error); set "
                    + "service.log.directory to one that this user may write to, or "
                    + "service.log.durability to memory")
        }
    }

    /// Reads the directory's name for itself, or gives it one.
    private static func id(of directory: String) throws(ComponentError) -> String {
        let path = "\(directory)/id"
        do throws(SystemError) {
            if let known = try? FileSystem.read(path, bytesMax: 64),
                let id = LogEpoch(String(decoding: known.prefix { $0 > 32 }, as: UTF8.self))
            {
                return id.description
            }
            let id = LogEpoch.random().description
            try FileSystem.replace(path, with: Array("\(id)\n".utf8))
            return id
        } catch {
            throw ComponentError("the data directory '\(directory)': \(error)")
        }
    }

    /// Learns what ended the last process, and keeps watch over this one.
    private static func safety(
        _ settings: LogDirectorySettings, _ log: Logger, _ clock: any Clock
    ) throws(ComponentError) -> DeliverySafety {
        let mark = "\(settings.directory)/crash-mark"
        let suspects = "\(settings.directory)/suspects"
        var safety = DeliverySafety()
        do throws(SystemError) {
            safety.suspects = try SuspectList.load(from: suspects).list
            let crashes = try CrashMark.crashes(at: mark)
            for crash in crashes {
                safety.suspects.note(crash.records)
                log.error(
                    "the last process crashed while it delivered these records",
                    LogField("signal", Int(crash.signal)), LogField("first", crash.records.first),
                    LogField("last", crash.records.last))
            }
            if !crashes.isEmpty { try safety.suspects.save(to: suspects) }
            let crashMark = try CrashMark(path: mark)
            try crashMark.install()
            safety.crashMark = crashMark
            safety.deadLetters = try DeadLetters(
                directory: "\(settings.directory)/dead-letter",
                bytesMax: settings.deadLettersBytesMax, clock: clock)
        } catch {
            throw ComponentError("the data directory '\(settings.directory)': \(error)")
        }
        return safety
    }

    /// The log of a pipeline, opened if it was not.
    func log(of pipeline: String) throws(ComponentError) -> DurableLog {
        if let open = logs.withLock({ $0.byPipeline[pipeline] }) { return open }
        let report = report(pipeline)
        do {
            let opened = try DurableLog(
                pipeline, directory: path(of: pipeline), settings: settings.log, epoch: epoch,
                clock: clock, onEvent: report)
            try opened.start()
            logs.withLock { $0.byPipeline[pipeline] = opened }
            observe(opened)
            return opened
        } catch let error as LogOpenError {
            throw ComponentError("the log of pipeline '\(pipeline)': \(error)")
        } catch {
            throw ComponentError("the log of pipeline '\(pipeline)': \(error)")
        }
    }

    /// Pipelines that have a log from an earlier configuration, and none in this.
    func leftovers(besides pipelines: [String]) -> [String] {
        guard settings.log.durability != .memory,
            let names = try? FileSystem.list("\(settings.directory)/log")
        else { return [] }
        return names.compactMap { PercentEncoding.decode($0) }.filter { !pipelines.contains($0) }
    }

    /// Gives up what cursors without an exporter hold, where the configuration names them, and
    /// says which others there are.
    func abandonOrphans(_ names: [String]) {
        for durable in all {
            for (cursor, items) in durable.orphanedCursors {
                if names.contains(cursor) {
                    _ = durable.abandonOrphan(cursor)
                    log.warn(
                        "items given up, as service.log.abandon says",
                        LogField("pipeline", durable.name), LogField("exporter", cursor),
                        LogField("items", items))
                } else if items > 0 {
                    report(durable.name)(.orphanedCursor(cursor, items: items))
                } else {
                    _ = durable.abandonOrphan(cursor)
                }
            }
        }
    }

    private func path(of pipeline: String) -> String {
        "\(settings.directory)/log/\(PercentEncoding.encode(pipeline))"
    }

    var all: [DurableLog] {
        logs.withLock { $0.byPipeline.values.sorted { $0.name < $1.name } }
    }

    /// Writes and seals everything. No log is used any more.
    ///
    /// - Returns: how many items the logs keep for exporters that have not delivered them.
    func close() -> Int {
        stopping.withLock { $0 = true }
        stopping.notifyAll()
        thread.withLock { $0 }?.join()
        for log in all { log.close() }
        guard settings.log.durability != .memory else { return 0 }
        return all.reduce(0) { $0 + $1.pendingItems }
    }

    private func maintain() {
        for log in all {
            log.maintain()
            warnIfFilling(log)
            let accounts = log.accounts.cursors
            lags.keep(Set(accounts.map(\.name)), of: log.name)
            for account in accounts { lags.note(account, in: log.name, at: clock.now) }
        }
        showCursors()
    }

    // MARK: What the operator sees

    /// Tells which exporter has the cursor of a name.
    func setExporters(_ ids: [String: String]) {
        logs.withLock { $0.exporters = ids }
        showCursors()
    }

    func exporter(of cursor: String) -> String {
        logs.withLock { $0.exporters[cursor] } ?? cursor
    }

    private func showCursors() {
        let cursors = all.flatMap { log in
            log.accounts.cursors.map { (log, $0.name, exporter(of: $0.name)) }
        }
        cursorMetrics.show(cursors, clock: clock) { [weak self] log, account in
            self?.secondsUntilFull(log, account)
        }
    }

    /// When the log is full of what this cursor holds, as it grew in the last minute; nil where it
    /// does not grow, or the log has no limit of its own.
    func secondsUntilFull(_ log: DurableLog, _ account: CursorAccount) -> Double? {
        guard log.settings.durability != .memory,
            let growth = lags.growth(of: account.name, in: log.name), growth > 0
        else { return nil }
        return Double(max(0, log.settings.bytesMax - account.heldBytes)) / growth
    }

    /// At these parts of its limit a log is worth a warning.
    private static let warningLevels = [0.5, 0.8]

    private func warnIfFilling(_ durable: DurableLog) {
        let status = durable.status
        let level = Self.warningLevels.last { status.filling >= $0 } ?? 0
        let before = logs.withLock { logs in
            defer { logs.warned[durable.name] = level }
            return logs.warned[durable.name] ?? 0
        }
        guard level > before else { return }
        log.warn(
            "a log is filling up: an exporter does not keep up", LogField("pipeline", durable.name),
            LogField("percent", Int(status.filling * 100)),
            LogField("bytes", status.neededBytes), LogField("max_size", durable.settings.bytesMax))
    }

    private func observe(_ durable: DurableLog) {
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

    private func report(_ pipeline: String) -> @Sendable (LogEvent) -> Void {
        let log = log
        let name = LogField("pipeline", pipeline)
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
            case .cursorsNotSaved(let error):
                log.rateLimited.error(
                    "cursors could not be saved; after a crash more is delivered twice", name,
                    LogField("error", error))
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
