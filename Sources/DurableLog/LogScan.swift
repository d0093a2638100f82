import Platform

/// Reads what a log still has, whether its cursors have passed it or not, without moving any.
///
/// One thread's. Records that the log lets go meanwhile are missed.
public final class LogScan {
    private let log: DurableLog
    private let receivedAt: Range<UInt64>
    private let end: UInt64
    private var next: UInt64
    private var segment: Segment?
    private var reader: SegmentReader?
    /// Items that could not be read, as far as their headers could.
    public private(set) var damagedItems = 0

    /// - Parameters:
    ///   - receivedAt: wall time, nanoseconds since 1970.
    ///   - end: the first number that is not read.
    public init(_ log: DurableLog, receivedAt: Range<UInt64>, before end: UInt64) {
        self.log = log
        self.receivedAt = receivedAt
        self.end = min(end, log.end)
        next = 0
    }

    /// The next record; nil at the end. Reads from the disk, so it may block.
    ///
    /// The clock may have jumped, so that no segment's times say what is in it: all are read.
    public func nextRecord() throws(LogReadError) -> PlacedRecord? {
        while next < end {
            guard let reader, let segment else {
                guard try openNext() else { return nil }
                continue
            }
            let first = segment.header.firstPosition
            let wanted = first..<max(first, min(end, segment.endPosition))
            let step: SegmentReader.Step
            do throws(SystemError) {
                step = try reader.next(before: segment.dataEnd, wanted: wanted.contains)
            } catch {
                throw .system(error, path: segment.path)
            }
            switch step {
            case .record(let header, let record?):
                next = header.position + 1
                guard receivedAt.contains(record.receivedAt) else { continue }
                return log.place(record, at: header.position, in: segment)
            case .record(_, nil): continue
            case .newer(let error): throw error
            case .damaged(_, let header):
                damagedItems += Int(header?.itemCount ?? 0)
            case .end:
                next = max(next, segment.endPosition)
                self.reader = nil
            }
        }
        return nil
    }

    private func openNext() throws(LogReadError) -> Bool {
        segment = log.state.withLock { state in
            state.segments.first { $0.endPosition > next }
        }
        guard let segment, segment.header.firstPosition < end else { return false }
        do throws(SystemError) {
            reader = try log.reader(of: segment)
        } catch {
            // It was let go since.
            guard error.isNotFound else { throw .system(error, path: segment.path) }
            next = segment.endPosition
        }
        return true
    }
}

extension DurableLog {
    fileprivate func place(
        _ record: LogRecord, at number: UInt64, in segment: Segment
    ) -> PlacedRecord {
        PlacedRecord(
            position: LogPosition(epoch: segment.header.epoch, number: number), record: record)
    }
}
