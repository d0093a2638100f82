import Bytes

/// The first bytes of a record: see ``LogFormat``.
struct RecordHeader: Equatable {
    var position: UInt64
    var receivedAt: UInt64
    var itemCount: UInt32
    var storedBytes: UInt32
    var contentBytes: UInt32
    var contentChecksum: UInt32
    var attachmentBytes: UInt16
    var kind: RecordKind
    var signal: UInt8
    var flags: RecordFlags

    /// Whether this version knows what the record is.
    var isKnown: Bool {
        RecordKind.known.contains(kind) && RecordFlags.known.isSuperset(of: flags)
    }

    /// Of the whole record in its file.
    var bytesOnDisk: Int { LogFormat.recordBytes(content: Int(storedBytes)) }

    /// Appends the header for a record at `offset` of a segment.
    func encode(into bytes: inout [UInt8], offset: Int, seed: RecordSeed) {
        let start = bytes.count
        bytes.appendInteger(LogFormat.recordMagic)
        bytes.appendInteger(UInt32(0))
        bytes.appendInteger(contentChecksum)
        bytes.appendInteger(position)
        bytes.appendInteger(receivedAt)
        bytes.appendInteger(itemCount)
        bytes.appendInteger(storedBytes)
        bytes.appendInteger(contentBytes)
        bytes.appendInteger(attachmentBytes)
        bytes.append(kind.rawValue)
        bytes.append(signal)
        bytes.append(flags.rawValue)
        bytes += [0, 0, 0]
        let checksum = seed.checksum(
            of: bytes.rawSpan.extracting(start + 8..<bytes.count), offset: offset)
        bytes.overwrite32(checksum, at: start + 4)
    }
}

extension RecordHeader {
    /// Nil where the bytes at `start` are no record's header of this place.
    ///
    /// - Parameter offset: in the file, of the byte at `start`.
    init?(decoding bytes: RawSpan, at start: Int, offset: Int, seed: RecordSeed) {
        guard bytes.byteCount - start >= LogFormat.recordHeaderBytes,
            bytes.littleEndian32(at: start) == LogFormat.recordMagic,
            bytes.littleEndian32(at: start + 4)
                == seed.checksum(
                    of: bytes.extracting(start + 8..<start + LogFormat.recordHeaderBytes),
                    offset: offset)
        else { return nil }
        position = bytes.littleEndian64(at: start + 12)
        guard position < LogFormat.numberEnd else { return nil }
        contentChecksum = bytes.littleEndian32(at: start + 8)
        receivedAt = bytes.littleEndian64(at: start + 20)
        itemCount = bytes.littleEndian32(at: start + 28)
        storedBytes = bytes.littleEndian32(at: start + 32)
        contentBytes = bytes.littleEndian32(at: start + 36)
        let rest = bytes.littleEndian64(at: start + 40)
        attachmentBytes = UInt16(truncatingIfNeeded: rest)
        kind = RecordKind(rawValue: UInt8(truncatingIfNeeded: rest >> 16))
        signal = UInt8(truncatingIfNeeded: rest >> 24)
        flags = RecordFlags(rawValue: UInt8(truncatingIfNeeded: rest >> 32))
    }
}

/// What the checksum of a header begins with: nobody who does not know the epoch, which never
/// leaves the machine before the file is written, can make bytes that pass for a record.
struct RecordSeed: Sendable {
    private let start: CRC32C

    init(epoch: LogEpoch, segment: UInt64) {
        var checksum = CRC32C()
        checksum.update(UInt64(truncatingIfNeeded: epoch.value))
        checksum.update(UInt64(truncatingIfNeeded: epoch.value >> 64))
        checksum.update(segment)
        start = checksum
    }

    func checksum(of bytes: RawSpan, offset: Int) -> UInt32 {
        var checksum = start
        checksum.update(UInt64(offset))
        checksum.update(bytes)
        return checksum.value
    }
}
