import Bytes
import Platform

/// What the log knows of a segment without reading it.
struct Segment: Sendable {
    let header: SegmentHeader
    let path: String
    /// Offset behind the last record.
    var dataEnd: Int
    /// Of the file.
    var bytes: Int
    /// The first position that is not in it. Where a segment was abandoned and its last records
    /// written again, it ends where the next begins, whatever stands in the file behind.
    var endPosition: UInt64
    var itemCount: Int
    var firstReceivedAt: UInt64
    var lastReceivedAt: UInt64
    /// Time since the machine's start, on the boot that the header names: no change of the wall
    /// clock makes a segment older than it is.
    var lastWritten: UInt64
    var isSealed = false

    init(header: SegmentHeader, path: String) {
        self.header = header
        self.path = path
        dataEnd = LogFormat.segmentHeaderBytes
        bytes = LogFormat.segmentHeaderBytes
        endPosition = header.firstPosition
        itemCount = 0
        firstReceivedAt = 0
        lastReceivedAt = 0
        lastWritten = header.boot.nanoseconds
    }

    var seed: RecordSeed { RecordSeed(epoch: header.epoch, segment: header.number) }
    var positions: Range<UInt64> { header.firstPosition..<max(endPosition, header.firstPosition) }
    var itemsAfter: UInt64 { header.itemsBefore + UInt64(itemCount) }

    mutating func note(_ record: RecordHeader, end: Int) {
        dataEnd = end
        endPosition = record.position + 1
        itemCount += Int(record.itemCount)
        if firstReceivedAt == 0 { firstReceivedAt = record.receivedAt }
        lastReceivedAt = record.receivedAt
    }

    /// Guesses when the last record was written, of which only the wall time is known.
    mutating func estimateLastWritten() {
        let life = lastReceivedAt - min(header.createdAt, lastReceivedAt)
        lastWritten = header.boot.nanoseconds.addingReportingOverflow(life).partialValue
    }

    /// `0000000000000001.seg`
    static func fileName(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits + ".seg"
    }

    /// The number in a segment's name, also where the file was put aside, which adds to the name.
    static func number(inFileName name: String) -> UInt64? {
        guard name.utf8.count >= 20, name.dropFirst(16).hasPrefix(".seg"),
            let number = UInt64(name.prefix(16), radix: 16), number < LogFormat.numberEnd,
            name.hasPrefix(fileName(number))
        else { return nil }
        return number
    }

    /// The record that closes a segment.
    func seal() -> [UInt8] {
        var content: [UInt8] = []
        content.appendInteger(UInt64(itemCount))
        content.appendInteger(UInt64(dataEnd - LogFormat.segmentHeaderBytes))
        content.appendInteger(firstReceivedAt)
        content.appendInteger(lastReceivedAt)
        content.appendInteger(lastWritten)
        content += [UInt8](repeating: 0, count: LogFormat.sealHeaderOffset - content.count)
        content += header.encoded()
        var checksum = CRC32C()
        checksum.update(content)
        let header = RecordHeader(
            position: endPosition, receivedAt: lastReceivedAt, itemCount: 0,
            storedBytes: UInt32(content.count), contentBytes: UInt32(content.count),
            contentChecksum: checksum.value, attachmentBytes: 0, kind: .seal, signal: 0,
            flags: [])
        var bytes: [UInt8] = []
        header.encode(into: &bytes, offset: dataEnd, seed: seed)
        return bytes + content
    }

    /// Takes over what a seal says; false where `bytes`, the file's last, are none.
    mutating func read(seal bytes: RawSpan, fileBytes: Int) -> Bool {
        let offset = fileBytes - LogFormat.sealBytes
        guard bytes.byteCount == LogFormat.sealBytes, offset >= LogFormat.segmentHeaderBytes,
            let record = RecordHeader(decoding: bytes, at: 0, offset: offset, seed: seed),
            record.kind == .seal, record.position >= header.firstPosition,
            Int(record.storedBytes) == LogFormat.sealContentBytes
        else { return false }
        let content = bytes.extracting(LogFormat.recordHeaderBytes..<bytes.byteCount)
        var checksum = CRC32C()
        checksum.update(content)
        let items = content.littleEndian64(at: 0)
        guard checksum.value == record.contentChecksum, items < LogFormat.numberEnd
        else { return false }
        dataEnd = offset
        self.bytes = fileBytes
        isSealed = true
        endPosition = record.position
        itemCount = Int(items)
        firstReceivedAt = content.littleEndian64(at: 16)
        lastReceivedAt = content.littleEndian64(at: 24)
        lastWritten = content.littleEndian64(at: 32)
        return true
    }
}
