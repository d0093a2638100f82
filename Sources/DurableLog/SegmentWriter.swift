import Bytes
import Compression
import Platform

/// Writes one segment from its first byte to its seal.
///
/// Records gather in a buffer, of which whole blocks are written: the last block of one write, with
/// zeros behind its records, is written again with the next.
final class SegmentWriter {
    private(set) var segment: Segment
    private let file: any LogFile
    private let seed: RecordSeed
    private let buffer: BlockBuffer
    private let clock: any Clock
    /// Of the buffer's first byte, in the file.
    private var bufferOffset = 0
    /// Of one record; kept for its memory.
    private var headerBytes: [UInt8] = []

    /// Makes the file. What is in it is there after a crash once ``synchronize()`` has returned,
    /// the file itself once the directory is synchronized.
    ///
    /// - Parameters:
    ///   - bypassesPageCache: see ``LogFile/bypassPageCache()``.
    ///   - buffer: used by no other writer as long as this one writes.
    init(
        _ header: SegmentHeader, in directory: String, _ storage: any LogStorage,
        bypassesPageCache: Bool, buffer: BlockBuffer, clock: any Clock
    ) throws(SystemError) {
        let path = "\(directory)/\(Segment.fileName(header.number))"
        segment = Segment(header: header, path: path)
        seed = segment.seed
        self.buffer = buffer
        self.clock = clock
        buffer.removeAll()
        file = try storage.create(path)
        if bypassesPageCache { file.bypassPageCache() }
        do throws(SystemError) {
            try append(header.encoded())
            try flush()
        } catch {
            try? storage.remove(path)
            throw error
        }
    }

    /// Takes records, whose positions follow one another. They are in the file when ``flush()`` has
    /// returned; after an error in either the segment can only be abandoned.
    func append(
        _ records: some Sequence<LogRecord>, compressor: inout Compressor?
    ) throws(SystemError) {
        for record in records { try append(record, &compressor) }
        segment.bytes = segment.dataEnd
        segment.lastWritten = clock.bootTime.nanoseconds
    }

    /// Takes the seal, which says that nothing follows.
    func seal() throws(SystemError) {
        try append(segment.seal())
        segment.bytes = segment.dataEnd + LogFormat.sealBytes
        segment.isSealed = true
    }

    /// Writes what was appended.
    func flush() throws(SystemError) {
        try buffer.withBlocks { blocks throws(SystemError) in
            try file.write(blocks, at: bufferOffset)
        }
        bufferOffset += buffer.removeBlocks()
        // A seal is looked for at the end of the file.
        if segment.isSealed { try file.truncate(to: segment.bytes) }
    }

    func synchronize() throws(SystemError) { try file.synchronize() }

    /// Ends the segment where `durable`, an earlier state of it, ends. What was written behind it
    /// is in no segment, or in another.
    func abandon(at durable: Segment) {
        segment = durable
        try? file.truncate(to: durable.dataEnd)
    }

    private func append(
        _ record: LogRecord, _ compressor: inout Compressor?
    ) throws(SystemError) {
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
        let start = segment.dataEnd
        headerBytes.removeAll(keepingCapacity: true)
        header.encode(into: &headerBytes, offset: start, seed: seed)
        try append(headerBytes)
        if let content {
            try append(content)
        } else {
            try append(record.attachment)
            try append(record.payload)
        }
        let padding = header.bytesOnDisk - LogFormat.recordHeaderBytes - Int(header.storedBytes)
        try append(Self.zeros, upTo: padding)
        segment.note(header, end: start + header.bytesOnDisk)
    }

    /// Records begin at multiples of eight.
    private static let zeros = [UInt8](repeating: 0, count: 7)

    private func append(_ bytes: [UInt8], upTo count: Int = .max) throws(SystemError) {
        var rest = bytes.rawSpan.extracting(first: min(count, bytes.count))
        while rest.byteCount > 0 {
            if buffer.isFull { try flush() }
            rest = rest.extracting(droppingFirst: buffer.append(rest))
        }
    }
}
