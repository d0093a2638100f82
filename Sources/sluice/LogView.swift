import Bytes
import DurableLog
import OTLP
import Platform

/// A data directory, looked at from outside: nothing in it is changed.
struct LogView {
    private let directory: String
    /// By pipeline.
    private let logs: [(pipeline: String, inspector: LogInspector)]
    private let owner: String?

    init(_ directory: String) throws {
        self.directory = directory
        let names: [String]
        do throws(SystemError) {
            names = try FileSystem.list("\(directory)/log")
        } catch {
            throw CommandError("'\(directory)' is no data directory: \(error)")
        }
        owner = Self.owner(of: directory)
        logs = try names.compactMap { name in
            guard let pipeline = PercentEncoding.decode(name) else { return nil }
            return (pipeline, try Self.inspector("\(directory)/log/\(name)", triesMax: 3))
        }
    }

    /// A segment may go while a gateway runs and this looks.
    private static func inspector(_ path: String, triesMax: Int) throws -> LogInspector {
        do throws(LogOpenError) {
            return try LogInspector(path)
        } catch {
            guard triesMax > 1 else { throw error }
            return try inspector(path, triesMax: triesMax - 1)
        }
    }

    /// The process that has the directory. Its lock is not tried: a gateway that starts at this
    /// moment would find it taken.
    private static func owner(of directory: String) -> String? {
        guard let text = try? FileSystem.read("\(directory)/lock", bytesMax: 64) else { return nil }
        let owner = String(decoding: text.prefix { $0 > 32 }, as: UTF8.self)
        // proc(5): 1: FLOCK  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF
        let locks = (try? FileSystem.read("/proc/locks", bytesMax: 16 << 20)) ?? []
        let isLocked = String(decoding: locks, as: UTF8.self).split(separator: "\n").contains {
            let words = $0.split(separator: " ")
            return words.count > 4 && words[1] == "FLOCK" && words[4] == owner
        }
        let answers = (try? ControlClient(dataDirectory: directory))?.isAnswered ?? false
        return isLocked || answers ? owner : nil
    }

    private var heading: String {
        owner.map { "\(directory): running, process \($0)" } ?? "\(directory): stopped"
    }

    func list() {
        let now = SystemClock().unixNanoseconds
        printOut(heading)
        for (pipeline, inspector) in logs {
            let bytes = inspector.segments.reduce(0) { $0 + $1.bytes }
            printOut("\n\(pipeline): \(inspector.accounts.items) items, \(Figure.bytes(bytes))")
            var segments = TextTable(
                ["segment", "positions", "items", "bytes", "first received", "last received", ""],
                indent: 2)
            for segment in inspector.segments {
                segments.append([
                    Self.fileName(segment.path),
                    "\(segment.numbers.lowerBound)..<\(segment.numbers.upperBound)",
                    "\(segment.itemCount)", Figure.bytes(segment.bytes),
                    Figure.time(segment.firstReceivedAt), Figure.time(segment.lastReceivedAt),
                    segment.isSealed ? "sealed" : "open",
                ])
            }
            if !inspector.segments.isEmpty { printOut(segments.text) }
            var cursors = TextTable(
                ["exporter", "next", "exported", "pending", "bytes", "lag"], indent: 2)
            for cursor in inspector.accounts.cursors {
                let lag = cursor.oldestReceivedAt.map { Double(now - min(now, $0)) / 1e9 } ?? 0
                cursors.append([
                    cursor.name, "\(cursor.base)", "\(cursor.totals.exported)",
                    "\(cursor.pending.items)", Figure.bytes(cursor.pending.bytes),
                    Figure.seconds(lag),
                ])
            }
            if !inspector.accounts.cursors.isEmpty { printOut(cursors.text) }
        }
    }

    func inspect(_ pipeline: String, from: UInt64, count: Int, isJSON: Bool) throws {
        guard let log = logs.first(where: { $0.pipeline == pipeline }) else {
            let known = logs.map(\.pipeline).joined(separator: ", ")
            throw CommandError("no log of a pipeline '\(pipeline)'; there are: \(known)")
        }
        var left = count
        var writer = OTLPJSON.Writer()
        for segment in log.inspector.segments where left > 0 && segment.numbers.upperBound > from {
            // Records that are not wanted any more are read, but no further segment.
            let numbers = max(from, segment.numbers.lowerBound)..<segment.numbers.upperBound
            guard !numbers.isEmpty else { continue }
            try log.inspector.forEachFinding(in: numbers, withContent: isJSON) { finding in
                guard left > 0, case .record(let record, let content) = finding else { return }
                left -= 1
                printOut(content.map { json($0, &writer) } ?? Self.line(record, segment.path))
            }
        }
    }

    private static func fileName(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    private static func line(_ record: LogInspector.RecordSummary, _ path: String) -> String {
        let noun =
            Signal(rawValue: record.signal)?.itemNoun ?? "items of signal \(record.signal)"
        return "\(record.position.number)  \(Figure.time(record.receivedAt))  "
            + "\(record.itemCount) \(noun)  payload \(record.payloadBytes) B  "
            + "attachment \(record.attachmentBytes) B  stored \(record.bytesOnDisk) B"
            + (record.isCompressed ? " as zstd" : "")
            + "  \(fileName(path)):\(record.offset)  epoch \(record.position.epoch)"
    }

    private func json(_ content: LogRecord, _ writer: inout OTLPJSON.Writer) -> String {
        var text: [UInt8] = []
        guard let signal = Signal(rawValue: content.signal),
            (try? writer.write(content.payload.rawSpan, as: signal, into: &text)) != nil
        else { return "null" }
        return String(decoding: text, as: UTF8.self)
    }

    /// Prints what is damaged; whether nothing is.
    func verify() throws -> Bool {
        printOut(heading)
        var isSound = true
        for (pipeline, first) in logs {
            let (inspector, faults) = try verified(first)
            for fault in faults { printOut("\(pipeline): \(fault)") }
            for case .tornEnd(_, let bytes) in inspector.events {
                printOut(
                    "\(pipeline): \(bytes) bytes at the end are unfinished: never acknowledged, "
                        + "and no damage")
            }
            let segments = inspector.segments
            let items = segments.reduce(0) { $0 + $1.itemCount }
            let bytes = segments.reduce(0) { $0 + $1.bytes }
            printOut(
                "\(pipeline): \(segments.count) segments, \(items) items, \(Figure.bytes(bytes)): "
                    + (faults.isEmpty ? "sound" : "\(faults.count) faults"))
            isSound = isSound && faults.isEmpty
        }
        return isSound
    }

    /// Of a log in use a segment may go, and what was being written at the first look is whole at
    /// the second.
    private func verified(
        _ first: LogInspector
    ) throws -> (inspector: LogInspector, faults: [String]) {
        var inspector = first
        var triesLeft = owner == nil ? 1 : 5
        while true {
            triesLeft -= 1
            do {
                let faults = try Self.faults(of: inspector)
                if faults.isEmpty || triesLeft == 0 { return (inspector, faults) }
            } catch {
                if triesLeft == 0 { throw error }
            }
            pause(.milliseconds(300))
            inspector = try Self.inspector(inspector.directory, triesMax: 3)
        }
    }

    private static func faults(of inspector: LogInspector) throws -> [String] {
        var faults = inspector.events.compactMap { event in
            switch event {
            case .tornEnd: nil as String?
            case .unreadable(let path, _): "\(path): is no segment"
            case .cursorsUnreadable(let problem): problem
            case .damaged(let path, let offset, let bytes, _):
                "\(path) at \(offset), \(bytes) bytes: damaged"
            default: "\(event)"
            }
        }
        faults += inspector.missing.map { missing in
            "\(inspector.directory): records \(missing.numbers.lowerBound) to "
                + "\(missing.numbers.upperBound - 1), \(missing.items) items, are missing "
                + "(\(missing.place.rawValue)): they were acknowledged, as cursors and later "
                + "segments tell, and some exporter has not delivered them"
        }
        let verification = try inspector.verify()
        faults += verification.damages.map { damage in
            "\(damage.path) at \(damage.offset), \(damage.bytes) bytes: "
                + (damage.number.map { "record \($0) is damaged" } ?? "no record")
        }
        let missing =
            inspector.segments.reduce(0) { $0 + $1.itemCount } - verification.itemCount
        if missing > 0, faults.isEmpty { faults.append("\(missing) items are missing") }
        return faults
    }
}
