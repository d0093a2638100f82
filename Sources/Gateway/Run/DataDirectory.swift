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
    let log: Logger
    let metrics: MetricRegistry
    private let clock: any Clock
    private let logs = Mutex(Logs())
    private let lags = LagHistory()
    private let cursorMetrics: CursorMetrics
    private let lock: DataDirectoryLock?
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
        lock = isDurable ? try DataDirectoryLock.take(settings.directory) : nil
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
                safety.suspects.note(crash.records, wasKilled: crash.wasKilled)
                log.error(
                    crash.wasKilled
                        ? "the last process was killed while it delivered a large record"
                        : "the last process crashed while it delivered these records",
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
}
