import Bytes
import Platform

/// Finds out what a log's directory holds. It takes as long as reading the segments that were not
/// closed, which is one for each time that the process was killed, and never fails for what it
/// finds in them.
struct Recovery {
    let storage: any LogStorage
    let directory: String
    /// Whether ends are cut and seals written; not for a look at somebody's log.
    let repairs: Bool
    /// In the order of their numbers, and of their positions.
    private(set) var segments: [Segment] = []
    private(set) var events: [LogEvent] = []
    /// The highest number of any segment file, readable or not.
    private(set) var lastNumber: UInt64 = 0
    /// Of files that are no segments, and at the least of records that are missing.
    private(set) var damagedBytes = 0
    /// Segments that are known by their seals alone.
    private(set) var damagedHeaders: [Segment] = []

    private struct Unreadable {
        var path: String
        var bytes: Int
        var isEmpty = false
    }

    private var unreadable: [Unreadable] = []
    private var unsealed: [Int] = []

    /// - Throws: where the directory or a file in it cannot be read at all, for another reason than
    ///   a bad place of the disk, or a segment is of a newer version.
    init(_ directory: String, in storage: any LogStorage, repairs: Bool) throws(LogOpenError) {
        self.storage = storage
        self.directory = directory
        self.repairs = repairs
        // All of them are looked at before any is changed: where one is of a newer version, all
        // stay as they are.
        try lookAtFiles()
        for index in unsealed { segments[index] = try scan(segments[index]) }
        order()
        unreadable.forEach { putAside($0) }
    }

    private func names() throws(LogOpenError) -> [String] {
        do throws(SystemError) {
            return try storage.list(directory)
        } catch {
            if error.isNotFound { return [] }
            throw LogOpenError("\(directory): \(error)")
        }
    }

    // MARK: Reading

    /// A segment's file, and what is read of it in any case on its way.
    private struct OpenFile {
        var path: String
        var number: UInt64
        /// Nil where the disk does not give it back.
        var file: (any LogFile)?
        var size = -1
    }

    /// Files whose ends the disk is asked for at once, instead of waiting for each.
    private static let filesAheadMax = 64

    private mutating func lookAtFiles() throws(LogOpenError) {
        var names = try names()[...]
        var open = FIFO<OpenFile>()
        while true {
            while open.count < Self.filesAheadMax, let name = names.popFirst() {
                guard let number = Segment.number(inFileName: name) else { continue }
                lastNumber = max(lastNumber, number)
                guard name == Segment.fileName(number) else { continue }
                open.append(try openFile(name, number))
            }
            guard let next = open.popFirst() else { return }
            try look(at: next)
        }
    }

    private func openFile(_ name: String, _ number: UInt64) throws(LogOpenError) -> OpenFile {
        var open = OpenFile(path: "\(directory)/\(name)", number: number)
        do throws(SystemError) {
            let file = try storage.open(open.path, forWriting: false)
            open.size = try file.size()
            open.file = file
            file.prefetch(0..<LogFormat.segmentHeaderBytes)
            file.prefetch(max(0, open.size - LogFormat.sealBytes)..<open.size)
        } catch {
            guard error.isBadMedium else { throw LogOpenError("\(open.path): \(error)") }
        }
        return open
    }

    private mutating func look(at open: OpenFile) throws(LogOpenError) {
        let (path, number, size) = (open.path, open.number, open.size)
        var (start, end) = ([UInt8](), [UInt8]())
        do throws(SystemError) {
            if let file = open.file {
                start = try bytes(of: file, at: 0, LogFormat.segmentHeaderBytes)
                end = try bytes(of: file, at: size - LogFormat.sealBytes, LogFormat.sealBytes)
            }
        } catch {
            guard error.isBadMedium else { throw LogOpenError("\(path): \(error)") }
        }
        guard let header = try header(path, start, end), header.number == number else {
            let isEmpty = start.count == size && start.allSatisfy { $0 == 0 }
            return unreadable.append(
                Unreadable(path: path, bytes: max(0, size), isEmpty: isEmpty))
        }
        var segment = Segment(header: header, path: path)
        segment.bytes = size
        if (try? SegmentHeader(decoding: start.rawSpan)) == nil {
            damagedHeaders.append(segment)
        }
        if !segment.read(seal: end.rawSpan, fileBytes: size) { unsealed.append(segments.count) }
        segments.append(segment)
    }

    /// What the file has at an offset; nothing where that is a bad place of the disk.
    private func bytes(
        of file: any LogFile, at offset: Int, _ count: Int
    ) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        guard offset >= 0 else { return bytes }
        do throws(SystemError) {
            while bytes.count < count,
                try file.read(
                    at: offset + bytes.count, upTo: count - bytes.count, appendingTo: &bytes) > 0
            {}
        } catch {
            guard error.isBadMedium else { throw error }
        }
        return bytes
    }

    /// The header at the file's start, or the one that its seal repeats.
    private func header(
        _ path: String, _ start: [UInt8], _ seal: [UInt8]
    ) throws(LogOpenError) -> SegmentHeader? {
        let offset = LogFormat.recordHeaderBytes + LogFormat.sealHeaderOffset
        for candidate in [start[...], seal.dropFirst(offset)] {
            do throws(SegmentHeader.Fault) {
                return try SegmentHeader(decoding: Array(candidate).rawSpan)
            } catch .newerVersion(let version) {
                throw LogOpenError(
                    "\(path) has version \(version) of the log's format, this Sluice knows "
                        + "\(LogFormat.version); start the newer Sluice again until the log is "
                        + "delivered, or move the file away")
            } catch {}
        }
        return nil
    }

    /// The segment was being written when the process ended, or has lost its seal.
    private mutating func scan(_ unsealed: Segment) throws(LogOpenError) -> Segment {
        var segment = unsealed
        let size = segment.bytes
        var end = LogFormat.segmentHeaderBytes
        var torn: [Range<Int>] = []
        // Of records whose content is damaged, until one is found behind them: those at the end
        // have never been acknowledged.
        var tornItems = 0
        var unreadableEnd = 0
        do {
            let reader = try SegmentReader(segment, in: storage, bypassesPageCache: false)
            scanning: while true {
                switch try reader.next(before: size, wanted: { _ in false }) {
                case .record(let header, _):
                    // A seal with something behind it; the next one takes its place.
                    if header.kind == .seal { continue }
                    end = reader.offset
                    if header.kind == .data { segment.note(header, end: end) }
                    segment.itemCount += tornItems
                    (torn, tornItems) = ([], 0)
                case .newer(let error): throw LogOpenError("\(error)")
                case .damaged(let range, let header):
                    torn.append(range)
                    if let header, header.kind == .data { tornItems += Int(header.itemCount) }
                case .end: break scanning
                }
            }
            unreadableEnd = reader.unreadableEnd
            if try isFilling(torn, of: segment) { torn = [] }
        } catch let error as LogOpenError {
            throw error
        } catch {
            throw LogOpenError("\(segment.path): \(error)")
        }
        segment.estimateLastWritten()
        if unreadableEnd > end {
            // There may be records that the disk does not give back now: they stay, and so do the
            // positions that they may have.
            segment.endPosition += UInt64((size - end) / LogFormat.recordHeaderBytes)
            segment.itemCount += tornItems
            end = (size + 7) & ~7
            torn = []
        }
        segment.dataEnd = end
        segment.bytes = end
        let tornBytes = torn.reduce(0) { $0 + $1.count }
        if tornBytes > 0 {
            events.append(.tornEnd(segment: segment.path, bytes: tornBytes))
        }
        if repairs { close(&segment) }
        return segment
    }

    /// Whether what is no record is what fills up the last block that was written.
    private func isFilling(_ torn: [Range<Int>], of segment: Segment) throws(SystemError) -> Bool {
        guard torn.count == 1, torn[0].count < BlockBuffer.blockBytes else { return false }
        let file = try storage.open(segment.path, forWriting: false)
        return try bytes(of: file, at: torn[0].lowerBound, torn[0].count).allSatisfy { $0 == 0 }
    }

    // MARK: Repairing

    /// Cuts the torn end and seals what is left. Where that fails, the next start does it.
    private func close(_ segment: inout Segment) {
        do throws(SystemError) {
            let file = try storage.open(segment.path, forWriting: true)
            try file.truncate(to: segment.dataEnd)
            try file.write(segment.seal().rawSpan, at: segment.dataEnd)
            try file.synchronize()
            segment.bytes = segment.dataEnd + LogFormat.sealBytes
            segment.isSealed = true
        } catch {}
    }

    /// A file without a header: begun and not yet synced when the machine stopped, then there was
    /// nothing acknowledged in it; or damaged, then somebody may want to look at it.
    private mutating func putAside(_ file: Unreadable) {
        var target: String?
        if repairs {
            do throws(SystemError) {
                if file.isEmpty { return try storage.remove(file.path) }
                try storage.rename(file.path, to: file.path + ".unreadable")
                target = file.path + ".unreadable"
                try storage.synchronizeDirectory(directory)
            } catch {}
        }
        damagedBytes += file.bytes
        events.append(.unreadable(segment: file.path, movedTo: target))
    }

    /// Sees to it that each segment begins where the one before ends, or behind.
    ///
    /// Where a segment was abandoned after an error, it ends where its successor of the same run
    /// says: what is behind was not acknowledged, or the successor has it itself. Between runs
    /// there is no such overlap unless somebody has mixed the files of two logs or backups: then a
    /// cursor could not name a place in both, and the file that does not fit is put aside.
    private mutating func order() {
        var ordered: [Segment] = []
        for segment in segments {
            guard var last = ordered.popLast() else {
                ordered.append(segment)
                continue
            }
            let next = segment.header
            if last.header.epoch == next.epoch {
                let end = max(next.previousEnd, last.header.firstPosition)
                last.endPosition = min(last.endPosition, end)
            }
            let isMixed = last.endPosition > next.firstPosition
            if !isMixed {
                noteMissing(before: next.previousEnd, behind: last)
                let most = next.itemsBefore - min(next.itemsBefore, last.header.itemsBefore)
                last.itemCount = min(last.itemCount, Int(clamping: most))
            }
            ordered.append(last)
            if isMixed {
                unreadable.append(Unreadable(path: segment.path, bytes: segment.bytes))
            } else {
                ordered.append(segment)
            }
        }
        segments = ordered
    }

    /// Records that were in a segment's file once, or in one that is gone.
    private mutating func noteMissing(before number: UInt64, behind segment: Segment) {
        guard number > segment.endPosition else { return }
        // Nobody knows how large they were.
        let bytes = Int(clamping: number - segment.endPosition) * LogFormat.recordHeaderBytes
        damagedBytes += bytes
        events.append(
            .damaged(
                segment: segment.path, offset: segment.dataEnd, bytes: bytes, savedTo: nil))
    }
}

/// A log that cannot be opened: says which file, why, and what to do.
public struct LogOpenError: Error, CustomStringConvertible, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
}
