import Bytes
import Compression
import Platform

/// Reads a segment from its beginning, record by record, past what is damaged.
final class SegmentReader {
    enum Step {
        case record(RecordHeader, LogRecord?)
        /// Bytes that are no record. Where the header of one was readable, only its content is
        /// lost, and `header` says what it was.
        case damaged(Range<Int>, header: RecordHeader?)
        case end
    }

    let segment: Segment
    /// Behind the last step.
    private(set) var offset = LogFormat.segmentHeaderBytes
    /// Of the records that were passed.
    private(set) var itemsPassed = 0
    private let file: any LogFile
    private let seed: RecordSeed
    private var expectedPosition: UInt64
    private var buffer: [UInt8] = []
    private var bufferOffset = LogFormat.segmentHeaderBytes
    private var decompressor = Decompressor()

    /// Read at once: a few records, so that a read costs little beside them.
    private static let chunkBytes = 256 << 10
    /// What a disk fails to read at once.
    private static let blockBytes = 4096

    init(_ segment: Segment, in storage: any LogStorage) throws(SystemError) {
        self.segment = segment
        file = try storage.open(segment.path, forWriting: false)
        seed = segment.seed
        expectedPosition = segment.header.firstPosition
    }

    /// The next record before `end`, an offset up to which the file is known to be written.
    ///
    /// - Parameter wanted: whether the record at a position is to be returned with its content;
    ///   the content is checked in any case.
    func next(
        before end: Int, wanted: (UInt64) -> Bool
    ) throws(SystemError) -> Step {
        guard end - offset >= LogFormat.recordHeaderBytes else {
            return offset < end ? damage(to: end) : .end
        }
        guard let header = try header(at: offset, before: end) else {
            return damage(to: try nextHeader(after: offset, before: end))
        }
        let start = offset
        offset += header.bytesOnDisk
        expectedPosition = header.position + (header.kind == .data ? 1 : 0)
        let isReadable = try load(start + LogFormat.recordHeaderBytes, Int(header.storedBytes))
        let first = start + LogFormat.recordHeaderBytes - bufferOffset
        let content = isReadable ? first..<first + Int(header.storedBytes) : 0..<0
        guard isReadable, checksum(content) == header.contentChecksum,
            header.attachmentBytes <= header.contentBytes
        else { return .damaged(start..<offset, header: header) }
        if header.kind == .data { itemsPassed += Int(header.itemCount) }
        guard header.kind == .data, wanted(header.position) else { return .record(header, nil) }
        guard let record = record(header, content) else {
            return .damaged(start..<offset, header: header)
        }
        return .record(header, record)
    }

    /// The bytes of a range that is damaged, to be put aside.
    func bytes(in range: Range<Int>) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        _ = try file.read(at: range.lowerBound, upTo: range.count, appendingTo: &bytes)
        return bytes
    }

    private func damage(to end: Int) -> Step {
        defer { offset = end }
        return .damaged(offset..<end, header: nil)
    }

    private func header(at offset: Int, before end: Int) throws(SystemError) -> RecordHeader? {
        guard try load(offset, LogFormat.recordHeaderBytes),
            let header = RecordHeader(
                decoding: buffer.rawSpan, at: offset - bufferOffset, offset: offset, seed: seed),
            header.position >= expectedPosition,
            header.storedBytes <= UInt32(LogRecord.payloadBytesMax + LogRecord.attachmentBytesMax),
            offset + header.bytesOnDisk <= end
        else { return nil }
        return header
    }

    /// Records begin at multiples of eight.
    private func nextHeader(after start: Int, before end: Int) throws(SystemError) -> Int {
        var candidate = start + 8
        while candidate + LogFormat.recordHeaderBytes <= end {
            if try header(at: candidate, before: end) != nil { return candidate }
            candidate += 8
        }
        return end
    }

    /// Has `count` bytes from `start` on in the buffer; false where the file ends before.
    private func load(_ start: Int, _ count: Int) throws(SystemError) -> Bool {
        if start >= bufferOffset, start + count <= bufferOffset + buffer.count { return true }
        if start >= bufferOffset, start < bufferOffset + buffer.count {
            buffer.removeFirst(start - bufferOffset)
        } else {
            buffer.removeAll(keepingCapacity: true)
        }
        bufferOffset = start
        while buffer.count < count {
            if try read(max(count - buffer.count, Self.chunkBytes)) == 0 { return false }
        }
        return true
    }

    /// Reads on, past places that the disk cannot give back: zeros stand for them, which are no
    /// record, and so are reported.
    private func read(_ count: Int) throws(SystemError) -> Int {
        let offset = bufferOffset + buffer.count
        do throws(SystemError) {
            return try file.read(at: offset, upTo: count, appendingTo: &buffer)
        } catch {
            guard error.isBadMedium else { throw error }
        }
        do throws(SystemError) {
            return try file.read(at: offset, upTo: Self.blockBytes, appendingTo: &buffer)
        } catch {
            guard error.isBadMedium else { throw error }
            let blank = min(Self.blockBytes, try file.size() - offset)
            buffer += [UInt8](repeating: 0, count: max(0, blank))
            return max(0, blank)
        }
    }

    private func checksum(_ range: Range<Int>) -> UInt32 {
        let buffer = buffer
        var checksum = CRC32C()
        checksum.update(buffer.rawSpan.extracting(range))
        return checksum.value
    }

    private func record(_ header: RecordHeader, _ stored: Range<Int>) -> LogRecord? {
        let buffer = buffer
        let attachmentCount = Int(header.attachmentBytes)
        var attachment: [UInt8] = []
        var payload: [UInt8] = []
        if header.flags.contains(.zstd) {
            guard header.contentBytes <= UInt32(LogRecord.payloadBytesMax),
                let content = try? decompressor.decompress(
                    Array(buffer[stored]), .zstd, limit: Int(header.contentBytes)),
                content.count == Int(header.contentBytes)
            else { return nil }
            attachment = Array(content[..<attachmentCount])
            payload = Array(content[attachmentCount...])
        } else {
            let split = stored.lowerBound + attachmentCount
            attachment.append(buffer.rawSpan, stored.lowerBound..<split)
            payload.append(buffer.rawSpan, split..<stored.upperBound)
        }
        return LogRecord(
            signal: header.signal, itemCount: Int(header.itemCount), receivedAt: header.receivedAt,
            attachment: attachment, payload: payload)
    }
}
