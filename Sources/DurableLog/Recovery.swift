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
    private(set) var segments: [Segment] = []
    private(set) var events: [LogEvent] = []
    /// The highest number of any segment file, readable or not.
    private(set) var lastNumber: UInt64 = 0

    /// - Throws: where the directory itself cannot be read, or a segment is of a newer version.
    init(
        _ directory: String, in storage: any LogStorage, repairs: Bool
    ) throws(LogOpenError) {
        self.storage = storage
        self.directory = directory
        self.repairs = repairs
        for name in try Self.segmentNames(directory, storage) {
            lastNumber = max(lastNumber, UInt64(name.dropLast(4), radix: 16) ?? 0)
            do throws(SystemError) {
                try read(name)
            } catch {
                throw LogOpenError("\(directory)/\(name): \(error)")
            }
            if let version = newerVersion {
                throw LogOpenError(
                    "\(directory)/\(name) has version \(version) of the log's format, this Sluice "
                        + "knows \(LogFormat.version); start the newer Sluice again until the log "
                        + "is delivered, or move the file away")
            }
        }
        clip()
    }

    private static func segmentNames(
        _ directory: String, _ storage: any LogStorage
    ) throws(LogOpenError) -> [String] {
        do throws(SystemError) {
            return try storage.list(directory).filter(Segment.isFileName)
        } catch {
            if error.isNotFound { return [] }
            throw LogOpenError("\(directory): \(error)")
        }
    }

    private var newerVersion: UInt16?

    private mutating func read(_ name: String) throws(SystemError) {
        let path = "\(directory)/\(name)"
        let file = try storage.open(path, forWriting: false)
        let size = try file.size()
        var bytes: [UInt8] = []
        _ = try file.read(at: 0, upTo: LogFormat.segmentHeaderBytes, appendingTo: &bytes)
        var segment: Segment
        do throws(SegmentHeader.Fault) {
            segment = Segment(header: try SegmentHeader(decoding: bytes.rawSpan), path: path)
        } catch {
            if case .newerVersion(let version) = error { newerVersion = version }
            if error == .damaged { putAside(name, bytes: bytes, size: size) }
            return
        }
        segment.bytes = size
        if !segment.read(seal: seal(of: file, size).rawSpan, fileBytes: size) {
            scan(&segment, size)
        }
        segments.append(segment)
    }

    /// The file's last bytes; none where they can't be read: scanning says what can.
    private func seal(of file: any LogFile, _ size: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        _ = try? file.read(
            at: size - LogFormat.sealBytes, upTo: LogFormat.sealBytes, appendingTo: &bytes)
        return bytes
    }

    /// The segment was being written when the process ended.
    private mutating func scan(_ segment: inout Segment, _ size: Int) {
        var end = LogFormat.segmentHeaderBytes
        var damages: [Range<Int>] = []
        do throws(SystemError) {
            let reader = try SegmentReader(segment, in: storage)
            scanning: while true {
                switch try reader.next(before: size, wanted: { _ in false }) {
                case .record(let header, _):
                    if header.kind == .data { segment.note(header, end: reader.offset) }
                    end = reader.offset
                case .damaged(let range, _): damages.append(range)
                case .end: break scanning
                }
            }
        } catch {
            // What cannot be read now is met again, and reported, by whoever reads the segment.
        }
        segment.dataEnd = end
        segment.bytes = end
        // Damage with records behind it stays for the readers, who report it.
        let torn = damages.filter { $0.lowerBound >= end }.reduce(0) { $0 + $1.count }
        if torn > 0 { events.append(.tornEnd(segment: segment.path, bytes: torn)) }
        if repairs { close(&segment) }
    }

    /// Cuts the torn end and seals what is left. Where that fails, the next start does it.
    private func close(_ segment: inout Segment) {
        do throws(SystemError) {
            let file = try storage.open(segment.path, forWriting: true)
            try file.truncate(to: segment.dataEnd)
            try file.write(segment.seal().rawSpan, at: segment.dataEnd)
            try file.synchronize()
            segment.bytes = segment.dataEnd + LogFormat.sealBytes
        } catch {}
    }

    /// A file without a header: begun and not yet synced when the machine stopped, then there was
    /// nothing acknowledged in it; or damaged, then somebody may want to look at it.
    private mutating func putAside(_ name: String, bytes: [UInt8], size: Int) {
        let path = "\(directory)/\(name)"
        guard repairs else { return events.append(.unreadable(segment: path, movedTo: nil)) }
        do throws(SystemError) {
            if size <= LogFormat.segmentHeaderBytes, bytes.allSatisfy({ $0 == 0 }) {
                return try storage.remove(path)
            }
            let target = path + ".unreadable"
            try storage.rename(path, to: target)
            try storage.synchronizeDirectory(directory)
            events.append(.unreadable(segment: path, movedTo: target))
        } catch {
            events.append(.unreadable(segment: path, movedTo: nil))
        }
    }

    /// Where a segment was abandoned after an error, its successor of the same run begins at the
    /// first position that was not known to be durable, and has those records itself.
    private mutating func clip() {
        for index in segments.indices.dropFirst() {
            let next = segments[index].header
            guard segments[index - 1].header.epoch == next.epoch,
                segments[index - 1].endPosition > next.firstPosition
            else { continue }
            segments[index - 1].endPosition = next.firstPosition
            let items =
                next.itemsBefore - min(next.itemsBefore, segments[index - 1].header.itemsBefore)
            segments[index - 1].itemCount = Int(items)
        }
    }
}

/// A log that cannot be opened: says which file, why, and what to do.
public struct LogOpenError: Error, CustomStringConvertible, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
}
