import Bytes
import Compression
import Platform

/// Writes one segment from its first byte to its seal.
final class SegmentWriter {
    private(set) var segment: Segment
    private let file: any LogFile
    private let seed: RecordSeed
    private var buffer: [UInt8] = []

    /// Written at once; a record that is larger is written alone.
    private static let chunkBytes = 1 << 20

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
        // A property's bytes can't be lent while they may change.
        var buffer = takeBuffer()
        defer { self.buffer = buffer }
        var bufferOffset = next.dataEnd
        for record in records {
            let end = encode(
                record, at: bufferOffset + buffer.count, into: &buffer, &next, &compressor)
            precondition(end == bufferOffset + buffer.count, "BUG: a record has another length")
            if buffer.count >= Self.chunkBytes {
                try file.write(buffer.rawSpan, at: bufferOffset)
                bufferOffset = end
                buffer.removeAll(keepingCapacity: buffer.capacity <= 4 * Self.chunkBytes)
            }
        }
        try file.write(buffer.rawSpan, at: bufferOffset)
        next.bytes = next.dataEnd
        next.lastWritten = BootTime.now.nanoseconds
        segment = next
    }

    private func takeBuffer() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &buffer)
        taken.removeAll(keepingCapacity: true)
        return taken
    }

    func synchronize() throws(SystemError) { try file.synchronize() }

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
        _ record: LogRecord, at offset: Int, into buffer: inout [UInt8],
        _ segment: inout Segment, _ compressor: inout Compressor?
    ) -> Int {
        var content: [UInt8]?
        if compressor != nil {
            content = compressor!.compress((record.attachment + record.payload).rawSpan)
        }
        var checksum = CRC32C()
        if let content {
            checksum.update(content)
        } else {
            checksum.update(record.attachment)
            checksum.update(record.payload)
        }
        let contentBytes = record.attachment.count + record.payload.count
        let header = RecordHeader(
            position: segment.endPosition, receivedAt: record.receivedAt,
            itemCount: UInt32(clamping: record.itemCount),
            storedBytes: UInt32(content?.count ?? contentBytes), contentBytes: UInt32(contentBytes),
            contentChecksum: checksum.value, attachmentBytes: UInt16(record.attachment.count),
            kind: .data, signal: record.signal, flags: content == nil ? [] : .zstd)
        let start = buffer.count
        header.encode(into: &buffer, offset: offset, seed: seed)
        if let content {
            buffer += content
        } else {
            buffer += record.attachment
            buffer += record.payload
        }
        let length = header.bytesOnDisk
        buffer.append(contentsOf: repeatElement(0, count: length - (buffer.count - start)))
        segment.note(header, end: offset + length)
        return offset + length
    }
}
