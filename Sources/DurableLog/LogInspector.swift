import Platform

/// A look into a log's directory that changes nothing there. Of a log that is being written it sees
/// what was there at the first look; its segments may go meanwhile.
public struct LogInspector: Sendable {
    public struct SegmentSummary: Sendable {
        public var number: UInt64
        public var path: String
        /// Of the log that wrote it; cut where it was very long.
        public var logName: String
        public var epoch: LogEpoch
        /// Of its records, those of damaged ones among them.
        public var numbers: Range<UInt64>
        /// Items in the log before it.
        public var itemsBefore: UInt64
        public var itemCount: Int
        /// Of the file, without a torn end.
        public var bytes: Int
        public var isSealed: Bool
        /// Wall time, nanoseconds since 1970; 0 where there is no record.
        public var createdAt: UInt64
        public var firstReceivedAt: UInt64
        public var lastReceivedAt: UInt64
    }

    public struct CursorSummary: Sendable {
        public var name: String
        /// The last record that it is done with.
        public var after: LogPosition
        public var totals: CursorTotals
        /// Items that it has before it.
        public var pendingItems: Int
    }

    /// A record as its header tells it.
    public struct RecordSummary: Sendable {
        public var position: LogPosition
        public var segment: UInt64
        /// Of its header in the file.
        public var offset: Int
        public var bytesOnDisk: Int
        public var isCompressed: Bool
        /// 0 traces, 1 metrics, 2 logs.
        public var signal: UInt8
        public var itemCount: Int
        /// Wall time, nanoseconds since 1970.
        public var receivedAt: UInt64
        public var attachmentBytes: Int
        /// Uncompressed.
        public var payloadBytes: Int
    }

    /// Bytes that are no record.
    public struct Damage: Sendable, Equatable {
        public var path: String
        public var offset: Int
        public var bytes: Int
        /// Of the record that stood there, where its header can still be read.
        public var number: UInt64?
        public var itemCount: Int?
    }

    public enum Finding: Sendable {
        /// With its content, where that was asked for.
        case record(RecordSummary, LogRecord?)
        case damage(Damage)
    }

    public struct Verification: Sendable {
        public var recordCount = 0
        public var itemCount = 0
        /// Of the records, with their headers.
        public var bytes = 0
        public var damages: [Damage] = []
    }

    public let directory: String
    /// In the order of their records.
    public let segments: [SegmentSummary]
    /// By name. Empty where there is no file of cursors, or none that can be read.
    public let cursors: [CursorSummary]
    /// What became of all items, as far as the cursors' places were saved.
    public let accounts: LogAccounts
    /// What a start would report: torn ends, files that are no segments, segments that are missing.
    public let events: [LogEvent]
    /// Acknowledged records that no segment has, and that some cursor still needs.
    public let missing: [MissingRecords]
    private let found: [Segment]
    private let storage: any LogStorage

    /// Reads the ends of sealed segments, and all of those that are not.
    ///
    /// - Throws: where the directory cannot be read, or has something of a newer version.
    public init(
        _ directory: String, storage: any LogStorage = DiskStorage()
    ) throws(LogOpenError) {
        do throws(SystemError) {
            _ = try storage.list(directory)
        } catch {
            throw LogOpenError("\(directory): \(error)")
        }
        let recovery = try Recovery(directory, in: storage, repairs: false)
        var events = recovery.events
        let file = try DurableLog.readCursors(directory, storage, repairs: false) {
            events.append($0)
        }
        let (state, missing) = DurableLog.State.opened(recovery.segments, file)
        self.missing = missing
        self.directory = directory
        self.storage = storage
        self.events = events
        accounts = state.accounts(sinceItem: 0)
        found = recovery.segments
        segments = recovery.segments.map(SegmentSummary.init)
        cursors = state.orphans.sorted { $0.key < $1.key }.map { name, saved in
            CursorSummary(
                name: name, after: saved.after, totals: saved.totals,
                pendingItems: state.backlog(from: state.place(saved)).items)
        }
    }

    /// Calls `body` with each record of `numbers`, and with the damage among them, in their order.
    ///
    /// - Parameter withContent: whether the records' content is handed over; it is checked anyhow.
    public func forEachFinding(
        in numbers: Range<UInt64> = 0..<UInt64.max, withContent: Bool = false,
        _ body: (Finding) throws -> Void
    ) throws {
        for segment in found where segment.positions.overlaps(numbers) {
            let wanted = numbers.clamped(to: segment.positions)
            let reader = try SegmentReader(segment, in: storage, bypassesPageCache: false)
            reading: while true {
                switch try reader.next(
                    before: segment.dataEnd, wanted: { withContent && wanted.contains($0) })
                {
                case .record(let header, let record):
                    guard header.kind == .data, wanted.contains(header.position) else { continue }
                    try body(
                        .record(RecordSummary(header, in: segment, end: reader.offset), record))
                case .newer(let error): throw error
                case .damaged(let range, let header):
                    // Without a header nobody knows whether it is wanted.
                    if let header, !wanted.contains(header.position) { continue }
                    try body(
                        .damage(
                            Damage(
                                path: segment.path, offset: range.lowerBound, bytes: range.count,
                                number: header?.position,
                                itemCount: header.map { Int($0.itemCount) })))
                case .end: break reading
                }
            }
        }
    }

    /// Reads everything and checks every checksum.
    public func verify() throws -> Verification {
        var verification = Verification()
        try forEachFinding { finding in
            switch finding {
            case .record(let record, _):
                verification.recordCount += 1
                verification.itemCount += record.itemCount
                verification.bytes += record.bytesOnDisk
            case .damage(let damage): verification.damages.append(damage)
            }
        }
        return verification
    }
}

extension LogInspector.SegmentSummary {
    fileprivate init(_ segment: Segment) {
        number = segment.header.number
        path = segment.path
        logName = segment.header.name
        epoch = segment.header.epoch
        numbers = segment.positions
        itemsBefore = segment.header.itemsBefore
        itemCount = segment.itemCount
        bytes = segment.bytes
        isSealed = segment.isSealed
        createdAt = segment.header.createdAt
        firstReceivedAt = segment.firstReceivedAt
        lastReceivedAt = segment.lastReceivedAt
    }
}

extension LogInspector.RecordSummary {
    fileprivate init(_ header: RecordHeader, in segment: Segment, end: Int) {
        position = LogPosition(epoch: segment.header.epoch, number: header.position)
        self.segment = segment.header.number
        offset = end - header.bytesOnDisk
        bytesOnDisk = header.bytesOnDisk
        isCompressed = header.flags.contains(.zstd)
        signal = header.signal
        itemCount = Int(header.itemCount)
        receivedAt = header.receivedAt
        attachmentBytes = Int(header.attachmentBytes)
        payloadBytes = Int(header.contentBytes) - Int(header.attachmentBytes)
    }
}
