import Bytes
internal import Glibc
import Platform

/// Finds where the whole records of a file end.
enum TornEnd {
    private static let pieceBytesMax = 64 << 10

    /// Just past the last line break. Reads backwards, so that it takes as long as the last line.
    static func endOfLines(
        in file: borrowing FileDescriptor, size: Int
    ) throws(SystemError) -> Int {
        var end = size
        while end > 0 {
            let start = max(0, end - pieceBytesMax)
            let piece = try read(file, start..<end)
            if let index = piece.lastIndex(of: UInt8(ascii: "\n")) { return start + index + 1 }
            end = start
        }
        return 0
    }

    /// Just past the last record whose length fits. Reads four bytes a record, from the start.
    static func endOfFrames(
        in file: borrowing FileDescriptor, size: Int
    ) throws(SystemError) -> Int {
        var offset = 0
        while size - offset >= 4 {
            let bytes = try read(file, offset..<offset + 4)
            guard bytes.count == 4 else { break }
            let length = bytes.reduce(0) { $0 << 8 | Int($1) }
            guard length <= size - offset - 4 else { break }
            offset += 4 + length
        }
        return offset
    }

    /// Appends those bytes, and a line break, to the file at `path`, durably.
    static func copy(
        _ range: Range<Int>, of file: borrowing FileDescriptor, to path: String
    ) throws(SystemError) {
        let target = try FileDescriptor(opening: path, .append, creating: .ifMissing)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = try read(file, offset..<min(offset + pieceBytesMax, range.upperBound))
            if piece.isEmpty { break }
            try target.writeAll(piece.rawSpan)
            offset += piece.count
        }
        try target.writeAll([UInt8(ascii: "\n")].rawSpan)
        try target.synchronize()
        try FileSystem.synchronizeDirectory(FileSystem.parent(of: path))
    }

    /// The bytes in `range`, fewer at the file's end.
    private static func read(
        _ file: borrowing FileDescriptor, _ range: Range<Int>
    ) throws(SystemError) -> [UInt8] {
        let raw = file.rawValue
        var bytes = [UInt8](repeating: 0, count: range.count)
        var count = 0
        while count < range.count {
            // SAFETY: pread writes at most the bytes from `count` to the array's end.
            let read = try unsafe bytes.withUnsafeMutableBufferPointer {
                room throws(SystemError) in
                try systemCall("pread") {
                    unsafe pread(
                        raw, room.baseAddress! + count, range.count - count,
                        range.lowerBound + count)
                }
            }
            if read == 0 { break }
            count += read
        }
        bytes.removeLast(range.count - count)
        return bytes
    }
}
