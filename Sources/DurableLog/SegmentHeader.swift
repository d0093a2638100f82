import Bytes
import Platform

/// The first bytes of a segment file: see ``LogFormat``.
struct SegmentHeader: Equatable {
    var epoch: LogEpoch
    /// Files are in the order of their numbers.
    var number: UInt64
    var firstPosition: UInt64
    /// Behind the last record that was kept before this segment. Numbers from here to the first one
    /// were given to records that could not be written, and may stand in files all the same.
    var previousEnd: UInt64
    /// Wall time, and time since the machine's start on the boot of that id: the latter tells ages
    /// that a change of the wall clock does not move.
    var createdAt: UInt64
    var boot: BootTime
    var itemsBefore: UInt64
    var name: String

    enum Fault: Error, Equatable {
        /// Not a header, or not all of one.
        case damaged
        case newerVersion(UInt16)
    }

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(LogFormat.segmentHeaderBytes)
        bytes.appendInteger(LogFormat.segmentMagic)
        bytes.appendInteger(LogFormat.version)
        bytes.appendInteger(UInt16(LogFormat.segmentHeaderBytes))
        bytes.appendInteger(UInt32(0))
        bytes.appendInteger(epoch.value)
        bytes.appendInteger(number)
        bytes.appendInteger(firstPosition)
        bytes.appendInteger(createdAt)
        bytes.appendInteger(previousEnd)
        bytes.appendInteger(boot.id)
        bytes.appendInteger(boot.nanoseconds)
        bytes.appendInteger(itemsBefore)
        let nameBytes = Array(name.utf8.prefix(LogFormat.nameBytesMax))
        bytes.appendInteger(UInt16(nameBytes.count))
        bytes += nameBytes
        bytes += [UInt8](repeating: 0, count: LogFormat.nameBytesMax - nameBytes.count)
        bytes.appendInteger(Self.checksum(of: bytes.rawSpan))
        return bytes
    }

    /// Of all that stands before the checksum.
    static func checksum(of bytes: RawSpan) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes.extracting(0..<LogFormat.segmentHeaderBytes - 4))
        return checksum.value
    }
}

extension SegmentHeader {
    init(decoding bytes: RawSpan) throws(Fault) {
        guard bytes.byteCount >= LogFormat.segmentHeaderBytes,
            bytes.littleEndian64(at: 0) == LogFormat.segmentMagic
        else { throw .damaged }
        guard
            Self.checksum(of: bytes)
                == bytes.littleEndian32(at: LogFormat.segmentHeaderBytes - 4)
        else { throw .damaged }
        // Looked at last: a version whose bytes are damaged must not stop the start.
        let version = UInt16(truncatingIfNeeded: bytes.littleEndian32(at: 8))
        guard version <= LogFormat.version else { throw .newerVersion(version) }
        let nameCount = Int(bytes.littleEndian32(at: 96) & 0xFFFF)
        guard nameCount <= LogFormat.nameBytesMax else { throw .damaged }
        epoch = LogEpoch(bytes.littleEndian128(at: 16))
        number = bytes.littleEndian64(at: 32)
        firstPosition = bytes.littleEndian64(at: 40)
        createdAt = bytes.littleEndian64(at: 48)
        previousEnd = bytes.littleEndian64(at: 56)
        boot = BootTime(
            id: bytes.littleEndian128(at: 64), nanoseconds: bytes.littleEndian64(at: 80))
        itemsBefore = bytes.littleEndian64(at: 88)
        guard
            [number, firstPosition, previousEnd, itemsBefore].allSatisfy({
                $0 < LogFormat.numberEnd
            }), firstPosition > 0
        else { throw .damaged }
        name = bytes.string(ByteRange(start: 98, end: 98 + nameCount))
    }
}

extension RawSpan {
    func littleEndian128(at offset: Int) -> UInt128 {
        UInt128(littleEndian64(at: offset)) | UInt128(littleEndian64(at: offset + 8)) << 64
    }
}
