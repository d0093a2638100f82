import Bytes

// A segment file, all integers little-endian; docs/log-format.md has the same with its reasons.
//
//   ┌───────────────┬────────┬────────┬─ … ─┬──────────────┐
//   │ header, 256 B │ record │ record │     │ seal, 368 B  │   The seal is there once nothing more
//   └───────────────┴────────┴────────┴─ … ─┴──────────────┘   will be written to the file.
//
// Header of a segment. In every version a file begins with 256 bytes that have a magic, a version
// and a checksum where they are here:
//     0   8  magic "SLUICELG"           64  16  boot id of the machine
//     8   2  version, 1                 80   8  boot time at creation, ns
//    10   2  header's length, 256       88   8  items in the log before this segment
//    12   4  0                          96   2  length of the log's name
//    16  16  epoch                      98 154  the log's name, UTF-8, cut to fit, then 0
//    32   8  segment's number          252   4  CRC-32C of bytes 0..<252
//    40   8  first position
//    48   8  wall time at creation, ns
//    56   8  position behind the last
//            record before this segment
//
// A record, at an offset that is a multiple of 8:
//     0   4  magic "SREC"               28   4  items
//     4   4  CRC-32C of epoch, segment's 32   4  length of the content as stored
//            number and offset (8 B     36   4  length of the content
//            each but for the epoch),   40   2  length of the attachment
//            then bytes 8..<48          42   1  kind: 0 data, 1 seal, 2… see below
//     8   4  CRC-32C of the content     43   1  signal: 0 traces, 1 metrics, 2 logs
//            as stored                  44   1  flags: 1 content is one Zstandard frame
//    12   8  position                   45   3  0
//    20   8  wall time of receipt, ns   48      content: attachment, payload; zeros to 8 B
//
// Seal: a record whose position is the first that is not in the segment, with 320 bytes of content:
//     0   8  items in this segment      32   8  time since the machine's start when the last
//     8   8  bytes of records                   record was written, ns
//    16   8  time of receipt of the     40  24  0
//            first record               64 256  the segment's header once more
//    24   8  of the last
enum LogFormat {
    static let version: UInt16 = 1
    static let segmentMagic: UInt64 = 0x474C_4543_4955_4C53  // "SLUICELG"
    static let recordMagic: UInt32 = 0x4345_5253  // "SREC"

    static let segmentHeaderBytes = 256
    static let recordHeaderBytes = 48
    static let sealContentBytes = sealHeaderOffset + segmentHeaderBytes
    static let sealHeaderOffset = 64
    static let sealBytes = recordHeaderBytes + sealContentBytes
    static let nameBytesMax = 154
    /// Positions, segments' numbers and counts of items are below this: sums of a few of them, as
    /// the log makes them, stay in 64 bits. At ten million a second it is reached in 14,000 years;
    /// what a file says beyond it is damage.
    static let numberEnd: UInt64 = 1 << 62
    /// The highest signal; others are damage.
    static let signalMax: UInt8 = 2

    /// With its header, and padded to the next multiple of 8.
    static func recordBytes(content: Int) -> Int { (recordHeaderBytes + content + 7) & ~7 }
}

/// The kinds that this version knows. A reader stops at another: a newer version's records may be
/// something acknowledged, so that nobody may pass over what they cannot read.
struct RecordKind: RawRepresentable, Equatable {
    var rawValue: UInt8

    static let data = RecordKind(rawValue: 0)
    static let seal = RecordKind(rawValue: 1)
    static let known: [RecordKind] = [.data, .seal]
    // Reserved: 2 a tail sampler's kept spans, 3 its decisions, 4 "processed up to" marks,
    // 5 the batch numbers that native clients have had acknowledged.
}

struct RecordFlags: OptionSet {
    var rawValue: UInt8

    static let zstd = RecordFlags(rawValue: 1)
    /// A record with others is not read: nobody here knows what its content is.
    static let known: RecordFlags = [.zstd]
}

extension [UInt8] {
    mutating func appendInteger(_ value: some FixedWidthInteger) {
        var rest = value.littleEndian
        // SAFETY: an integer's own bytes, for the length of the call.
        unsafe Swift.withUnsafeBytes(of: &rest) { unsafe append(contentsOf: $0) }
    }

    mutating func overwrite32(_ value: UInt32, at offset: Int) {
        for index in 0..<4 {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }
}
