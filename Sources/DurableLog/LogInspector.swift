import Bytes
public import Platform

/// Looks at a log's directory and changes nothing in it. The log may be in use: its end is what was
/// there at the first look.
public struct LogInspector {
    public struct SegmentSummary: Sendable {
        public var fileName: String
        public var epoch: LogEpoch
        public var positions: Range<UInt64>
        public var itemCount: Int
        public var bytes: Int
        /// Wall time, nanoseconds since 1970; zero where there is no record.
        public var firstReceivedAt: UInt64
        public var lastReceivedAt: UInt64
        /// Nothing more is written to it.
        public var isSealed: Bool
    }

    public struct Record: Sendable {
        public var fileName: String
        public var offset: Int
        public var bytesOnDisk: Int
        public var isCompressed: Bool
        public var placed: PlacedRecord
    }

    /// Something that cannot be read.
    public struct Fault: Sendable {
        public var file: String
        public var offset = 0
        public var bytes = 0
        public var problem: String
    }

    public let directory: String
    /// The log's name, as its segments have it.
    public let name: String?
    public let segments: [SegmentSummary]
    public let accounts: LogAccounts
    /// Bytes behind the last record, which were never acknowledged: the log was being written.
    public let unfinishedBytes: Int
    private let found: [Segment]
    private let faults: [Fault]
    private let storage: any LogStorage

    /// - Throws: where the directory cannot be read, or a segment is of a newer version.
    public init(
        _ directory: String, storage: any LogStorage = DiskStorage()
    ) throws(LogOpenError) {
        self.directory = directory
        self.storage = storage
        let recovery = try Recovery(directory, in: storage, repairs: false)
        found = recovery.segments
        name = found.last?.header.name
        segments = found.map { SegmentSummary($0) }
        var faults: [Fault] = []
        var unfinishedBytes = 0
        for event in recovery.events {
            switch event {
            case .tornEnd(_, let bytes): unfinishedBytes += bytes
            case .unreadable(let path, _):
                faults.append(Fault(file: path, problem: "is no segment"))
            default: continue
            }
        }
        var cursors: CursorFile?
        let cursorsPath = DurableLog.cursorsPath(directory)
        do {
            cursors = try CursorFile(
                decoding: try storage.read(cursorsPath, bytesMax: CursorFile.bytesMax))
        } catch let error as SystemError where error.isNotFound {
        } catch CursorFile.Fault.damaged {
            faults.append(Fault(file: cursorsPath, problem: "is damaged"))
        } catch {
            faults.append(Fault(file: cursorsPath, problem: "\(error)"))
        }
        accounts = DurableLog.state(found, cursors).accounts(sinceItem: 0)
        self.faults = faults
        self.unfinishedBytes = unfinishedBytes
    }

    /// Calls `body` with the records from a position on, until it returns false.
    public func forEachRecord(
        from first: UInt64, _ body: (Record) -> Bool
    ) throws(SystemError) {
        for segment in found where segment.endPosition > first {
            let positions = max(first, segment.header.firstPosition)..<segment.endPosition
            let reader = try SegmentReader(segment, in: storage)
            reading: while true {
                let start = reader.offset
                switch try reader.next(before: segment.dataEnd, wanted: positions.contains) {
                case .record(let header, let record?):
                    let placed = PlacedRecord(
                        position: LogPosition(
                            epoch: segment.header.epoch, number: header.position),
                        record: record)
                    let wantsMore = body(
                        Record(
                            fileName: Segment.fileName(segment.header.number), offset: start,
                            bytesOnDisk: header.bytesOnDisk,
                            isCompressed: header.flags.contains(.zstd), placed: placed))
                    if !wantsMore { return }
                case .end: break reading
                default: continue
                }
            }
        }
    }

    /// Reads everything; what of it is damaged.
    public func verify() -> [Fault] {
        faults + found.flatMap(verify)
    }

    private func verify(_ segment: Segment) -> [Fault] {
        var faults: [Fault] = []
        var (items, damagedItems) = (0, 0)
        do throws(SystemError) {
            let reader = try SegmentReader(segment, in: storage)
            reading: while true {
                switch try reader.next(before: segment.dataEnd, wanted: { _ in true }) {
                case .record(let header, _):
                    if header.kind == .data { items += Int(header.itemCount) }
                case .damaged(let range, let header):
                    damagedItems += Int(header?.itemCount ?? 0)
                    faults.append(
                        Fault(
                            file: segment.path, offset: range.lowerBound, bytes: range.count,
                            problem: header == nil ? "no record" : "a record's content is damaged"))
                case .end: break reading
                }
            }
            let missing = segment.itemCount - items
            if missing > 0, missing != damagedItems || faults.isEmpty {
                faults.append(Fault(file: segment.path, problem: "\(missing) items are missing"))
            }
        } catch {
            // Deleted since the first look: every cursor had passed it.
            if error.isNotFound { return [] }
            faults.append(Fault(file: segment.path, problem: "\(error)"))
        }
        return faults
    }
}

extension LogInspector.SegmentSummary {
    fileprivate init(_ segment: Segment) {
        fileName = Segment.fileName(segment.header.number)
        epoch = segment.header.epoch
        positions = segment.positions
        itemCount = segment.itemCount
        bytes = segment.bytes
        firstReceivedAt = segment.firstReceivedAt
        lastReceivedAt = segment.lastReceivedAt
        isSealed = segment.bytes > segment.dataEnd
    }
}
