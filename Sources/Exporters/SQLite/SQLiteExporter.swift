import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry

/// Writes telemetry to one SQLite file: the embedded default. See the README for tables and views.
final class SQLiteExporter: Exporter {
    private let settings: SQLiteSettings
    private let clock: any Clock
    private let log: Logger
    private let metrics: SQLiteMetrics
    private let waits: SQLiteWaits
    /// Nil after an error that a new connection may get over, until the next lot.
    private let store: Mutex<SQLiteStore?>
    /// The same connection, for `abort`, which must not wait for the lot that it ends.
    private let interruptible: Mutex<SQLiteConnection?>

    init(
        _ settings: SQLiteSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) {
        self.settings = settings
        clock = environment.clock
        log = environment.log
        metrics = SQLiteMetrics(environment.metrics, exporter: environment.id)
        waits = SQLiteWaits(busyTimeout: settings.busyTimeout)
        store = Mutex(nil)
        interruptible = Mutex(nil)
        do throws(SQLiteStore.OpenFailure) {
            try store.withLock { store throws(SQLiteStore.OpenFailure) in
                store = try open()
            }
        } catch {
            throw ComponentError("\(settings.path) \(error)")
        }
    }

    func export(_ lot: Lot) -> ExportOutcome {
        store.withLock { store in
            do throws(SQLiteStore.OpenFailure) {
                if store?.isOrphaned == true { leaveOrphan(&store) }
                if store == nil { store = try open() }
            } catch {
                return .retry(after: nil, because: "\(settings.path) \(error)")
            }
            return write(lot, &store)
        }
    }

    func abort() {
        waits.isAborted.store(true, ordering: .relaxed)
        interruptible.withLock { $0?.interrupt() }
    }

    func trim() {
        // A lot that is under way needs what it has.
        store.withLockIfAvailable { $0?.trim() }
    }

    func close() {
        store.withLock { store in
            do throws(SQLiteError) {
                try store?.prepareToClose()
            } catch {
                // Nothing is lost: whoever opens the file next reads the write-ahead log.
                log.warn("the write-ahead log stays", LogField("error", "\(error)"))
            }
            close(&store)
        }
    }

    private func write(_ lot: Lot, _ store: inout SQLiteStore?) -> ExportOutcome {
        guard let current = store else { preconditionFailure("BUG: a lot without a database") }
        if let obstacle = current.obstacle {
            try? current.checkpointIfDue()
            if current.obstacle != nil { return .retry(after: nil, because: obstacle) }
        }
        do throws(SQLiteError) {
            let rejectedCount = try current.write(lot)
            // Moved meanwhile: the rows may be where nobody looks. They come again, to a new file.
            if current.isOrphaned {
                leaveOrphan(&store)
                return .retry(after: nil, because: "\(settings.path) was moved or deleted")
            }
            maintain(current, after: lot.itemCount)
            return .accepted(
                rejectedItemCount: rejectedCount,
                message: rejectedCount == 0 ? nil : "larger than a SQLite row can be")
        } catch {
            if error.needsMemory { return .needsMemory(because: "\(error)") }
            if error.isUnreadable { return .reject(because: "\(error)") }
            // What is in the write-ahead log twice gives its room to the next attempt.
            if error.isDiskFull { try? current.emptyWriteAheadLog() }
            if error.endsConnection { close(&store) }
            return .retry(after: nil, because: "\(settings.path): \(error)")
        }
    }

    private func leaveOrphan(_ store: inout SQLiteStore?) {
        do throws(SQLiteError) {
            try store?.emptyWriteAheadLog()
            log.warn(
                "the database was moved or deleted; a new one is made",
                LogField("path", settings.path),
                LogField("older_rows", "`sluice log replay` sends again what the log still has"))
        } catch {
            log.error(
                "the database was moved or deleted, and its newest rows could not go after it",
                LogField("path", settings.path), LogField("error", "\(error)"))
        }
        close(&store)
    }

    /// The lot is stored, whatever comes of this.
    private func maintain(_ store: SQLiteStore, after itemCount: Int) {
        do throws(SQLiteError) {
            try store.maintain(after: itemCount)
        } catch {
            log.rateLimited.warn("maintenance failed", LogField("error", "\(error)"))
        }
        if let jump = store.tally.clockJump {
            log.warn(
                "the wall clock jumped; rows age by the time that is known to have passed",
                LogField("ahead_by", jump))
        }
        metrics.note(store.tally)
        store.tally = SQLiteStore.Tally()
        metrics.usedBytes.set(Int(store.retention.usedBytes))
        metrics.walPages.set(waits.walPages.load(ordering: .relaxed))
    }

    private func open() throws(SQLiteStore.OpenFailure) -> SQLiteStore {
        let store = try SQLiteStore(settings, clock: clock, waits: waits)
        interruptible.withLock { $0 = store.connection }
        return store
    }

    private func close(_ store: inout SQLiteStore?) {
        interruptible.withLock { $0 = nil }
        store = nil
    }
}
