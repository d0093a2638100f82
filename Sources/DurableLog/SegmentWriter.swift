import Bytes
import Compression
import Platform

/// Writes one segment from its first byte to its seal.
final class SegmentWriter {
    private(set) var segment: Segment
    private let file: any LogFile
    private let seed: RecordSeed
    private var buffer: [UInt8] = []

    /// Makes the file. What is in it is there after a crash once ``synchronize()`` has returned,
    /// the file itself once the directory is synchronized.
    init(_ header: SegmentHeader, in directory: String, _ storage: any LogStorage)
        throws(SystemError)
    {
        let path = "\(directory)/\(Segment.fileName(header.number))"
        segment = Segment(header: header, path: path)
        seed = segment.seed
        file = try storage.create(path)
        do throws(SystemError) {
            try file.write(header.encoded().rawSpan, at: 0)
        } catch {
            try? storage.remove(path)
            throw error
        }
    }

    /// Writes records, whose positions follow one another. After an error the segment is as it was
    /// before the call, whatever stands in the file.
    func append(
        _ records: some Sequence<LogRecord>, compressor: inout Compressor?
    ) throws(SystemError) {
        var next = segment
        var chunk = Chunk(offset: next.dataEnd, spare: takeBuffer())
        defer { buffer = chunk.buffer }
        for record in records {
            encode(record, into: &chunk, &next, &compressor)
            if chunk.isFull { try chunk.write(to: file) }
        }
        try chunk.write(to: file)
        next.bytes = next.dataEnd
        next.lastWritten = BootTime.now.nanoseconds
        segment = next
    }

    private func takeBuffer() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &buffer)
        return taken
    }

    func synchronize() throws(SystemError) { try file.synchronize() }

    /// Has the page cache forget the segment, which must be on the disk.
    func releasePages() { file.releasePages(0..<segment.bytes) }

    /// Writes the seal, which says that nothing follows.
    func seal() throws(SystemError) {
        try file.write(segment.seal().rawSpan, at: segment.dataEnd)
        segment.bytes = segment.dataEnd + LogFormat.sealBytes
        segment.isSealed = true
    }

    /// Ends the segment where `durable`, an earlier state of it, ends. What was written behind it
    /// is in no segment, or in another.
    func abandon(at durable: Segment) {
        segment = durable
        try? file.truncate(to: durable.dataEnd)
    }

    private func encode(
        _ record: LogRecord, into chunk: inout Chunk, _ segment: inout Segment,
        _ compressor: inout Compressor?
    ) {
        var content: [UInt8]?
        if compressor != nil {
            content = compressor!.compress((record.attachment + record.payload).rawSpan)
        }
        var stored = CRC32C()
        if let content { stored.update(content) }
        let checksum =
            content == nil ? record.checksum ?? record.computedChecksum : stored.value
        let contentBytes = record.attachment.count + record.payload.count
        let header = RecordHeader(
            position: segment.endPosition, receivedAt: record.receivedAt,
            itemCount: UInt32(clamping: record.itemCount),
            storedBytes: UInt32(content?.count ?? contentBytes), contentBytes: UInt32(contentBytes),
            contentChecksum: checksum, attachmentBytes: UInt16(record.attachment.count),
            kind: .data, signal: record.signal, flags: content == nil ? [] : .zstd)
        let end = chunk.end + header.bytesOnDisk
        header.encode(into: &chunk.buffer, offset: chunk.end, seed: seed)
        if let content {
            chunk.append(content)
        } else {
            chunk.append(record.attachment)
            chunk.append(record.payload)
        }
        chunk.pad(to: end)
        segment.note(header, end: end)
    }
}

/// Records on their way to the file. Large payloads are not copied: they are pieces of their own.
private struct Chunk {
    private var pieces: [[UInt8]] = []
    private var piecesBytes = 0
    /// What follows the pieces.
    var buffer: [UInt8]
    private var offset: Int

    /// Written at once; a record that is larger is written alone.
    private static let bytesMax = 1 << 20
    /// To copy less than this costs little beside a piece more for the kernel.
    private static let pieceBytesMin = 16 << 10

    /// - Parameters:
    ///   - offset: in the file.
    ///   - spare: an array whose memory is used again.
    init(offset: Int, spare: [UInt8]) {
        self.offset = offset
        buffer = spare
        empty()
    }

    /// Where in the file the next byte comes to stand.
    var end: Int { offset + piecesBytes + buffer.count }

    var isFull: Bool { piecesBytes + buffer.count >= Self.bytesMax }

    mutating func append(_ bytes: [UInt8]) {
        guard bytes.count >= Self.pieceBytesMin else {
            buffer += bytes
            return
        }
        pieces.append(buffer)
        pieces.append(bytes)
        piecesBytes += buffer.count + bytes.count
        buffer = []
    }

    mutating func pad(to end: Int) {
        precondition(end >= self.end, "BUG: a record has another length")
        buffer.append(contentsOf: repeatElement(0, count: end - self.end))
    }

    mutating func write(to file: any LogFile) throws(SystemError) {
        if pieces.isEmpty {
            try file.write(buffer.rawSpan, at: offset)
        } else {
            try file.write(pieces + [buffer], at: offset)
        }
        offset = end
        empty()
    }

    private mutating func empty() {
        pieces = []
        piecesBytes = 0
        buffer.removeAll(keepingCapacity: buffer.capacity <= 4 * Self.bytesMax)
    }
}
