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
        /// A whole record that only a newer version can read. The reader stays before it.
        case newer(LogReadError)
        case end
    }

    let segment: Segment
    /// Behind the last step.
    private(set) var offset = LogFormat.segmentHeaderBytes
    /// Behind the last place that the disk could not give back; 0 where there was none.
    private(set) var unreadableEnd = 0
    private let file: any LogFile
    private let seed: RecordSeed
    private var expectedPosition: UInt64
    private var buffer: [UInt8] = []
    private var bufferOffset = LogFormat.segmentHeaderBytes
    private var decompressor = Decompressor()

    /// Read at once: a few records, so that a read costs little beside them.
    private static let chunkBytes = 512 << 10
    /// What a disk fails to read at once.
    private static let blockBytes = 4096
    /// Of damaged bytes, copied at once.
    private static let copyBytes = 1 << 20

    /// - Parameter bypassesPageCache: for what is read once, by somebody who has other things to do
    ///   meanwhile. Who waits for the end has more of the kernel's reading ahead.
    init(
        _ segment: Segment, in storage: any LogStorage, bypassesPageCache: Bool
    ) throws(SystemError) {
        self.segment = segment
        file = try storage.open(segment.path, forWriting: false)
        if bypassesPageCache { file.bypassPageCache() }
        seed = segment.seed
        expectedPosition = segment.header.firstPosition
    }

    /// The next record before `end`, an offset up to which the file is known to be written. Nothing
    /// behind it is read: it may be half written, and would be taken for damage later.
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
        let contentStart = start + LogFormat.recordHeaderBytes
        let isLoaded = try load(contentStart, Int(header.storedBytes), before: end)
        let first = contentStart - bufferOffset
        let content = isLoaded ? first..<first + Int(header.storedBytes) : 0..<0
        let isSound =
            isLoaded && checksum(content) == header.contentChecksum
            && UInt32(header.attachmentBytes) <= header.contentBytes
        if isSound, !header.isKnown {
            return .newer(
                .newerRecord(
                    path: segment.path, offset: start, kind: header.kind.rawValue,
                    flags: header.flags.rawValue))
        }
        offset += header.bytesOnDisk
        expectedPosition = header.position + (header.kind == .data ? 1 : 0)
        guard isSound else { return .damaged(start..<offset, header: header) }
        guard header.kind == .data, wanted(header.position) else { return .record(header, nil) }
        guard header.signal <= LogFormat.signalMax, let record = record(header, content) else {
            return .damaged(start..<offset, header: header)
        }
        return .record(header, record)
    }

    /// Writes the bytes of a range that is damaged to a file, zeros for what cannot be read.
    func copy(_ range: Range<Int>, to target: any LogFile) throws(SystemError) {
        var done = range.lowerBound
        while done < range.upperBound {
            var bytes: [UInt8] = []
            let count = min(Self.copyBytes, range.upperBound - done)
            let read = try read(at: done, upTo: count, appendingTo: &bytes)
            guard read > 0 else { break }
            try target.write(bytes.rawSpan, at: done - range.lowerBound)
            done += read
        }
        try target.synchronize()
    }

    private func damage(to end: Int) -> Step {
        defer { offset = end }
        return .damaged(offset..<end, header: nil)
    }

    private func header(at offset: Int, before end: Int) throws(SystemError) -> RecordHeader? {
        guard try load(offset, LogFormat.recordHeaderBytes, before: end),
            let header = RecordHeader(
                decoding: buffer.rawSpan, at: offset - bufferOffset, offset: offset, seed: seed),
            header.position >= expectedPosition,
            header.storedBytes <= UInt32(LogRecord.contentBytesMax),
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
    private func load(_ start: Int, _ count: Int, before end: Int) throws(SystemError) -> Bool {
        if start >= bufferOffset, start + count <= bufferOffset + buffer.count { return true }
        if start >= bufferOffset, start < bufferOffset + buffer.count {
            buffer.removeFirst(start - bufferOffset)
        } else {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 4 * Self.chunkBytes)
        }
        bufferOffset = start
        while buffer.count < count {
            let offset = bufferOffset + buffer.count
            let wanted = min(max(count - buffer.count, Self.chunkBytes), end - offset)
            guard wanted > 0, try read(at: offset, upTo: wanted, appendingTo: &buffer) > 0
            else { return false }
        }
        return true
    }

    /// Reads past places that the disk cannot give back: zeros stand for them, which are no record,
    /// and so are reported.
    private func read(
        at offset: Int, upTo count: Int, appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> Int {
        do throws(SystemError) {
            return try file.read(at: offset, upTo: count, appendingTo: &bytes)
        } catch {
            guard error.isBadMedium else { throw error }
        }
        let count = min(count, Self.blockBytes - offset % Self.blockBytes)
        do throws(SystemError) {
            return try file.read(at: offset, upTo: count, appendingTo: &bytes)
        } catch {
            guard error.isBadMedium else { throw error }
            let blank = max(0, min(count, try file.size() - offset))
            bytes += [UInt8](repeating: 0, count: blank)
            unreadableEnd = max(unreadableEnd, offset + blank)
            return blank
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
        guard attachmentCount <= LogRecord.attachmentBytesMax,
            Int(header.contentBytes) - attachmentCount <= LogRecord.payloadBytesMax
        else { return nil }
        var attachment: [UInt8] = []
        var payload: [UInt8] = []
        if header.flags.contains(.zstd) {
            guard
                let content = try? decompressor.decompress(
                    Array(buffer[stored]), .zstd, limit: Int(header.contentBytes)),
                content.count == Int(header.contentBytes)
            else { return nil }
            attachment = Array(content[..<attachmentCount])
            payload = Array(content[attachmentCount...])
        } else {
            guard header.contentBytes == header.storedBytes else { return nil }
            let split = stored.lowerBound + attachmentCount
            attachment.append(buffer.rawSpan, stored.lowerBound..<split)
            payload.append(buffer.rawSpan, split..<stored.upperBound)
        }
        return LogRecord(
            signal: header.signal, itemCount: Int(header.itemCount), receivedAt: header.receivedAt,
            attachment: attachment, payload: payload)
    }
}
