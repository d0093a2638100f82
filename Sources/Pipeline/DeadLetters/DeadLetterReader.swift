import Bytes
public import Platform

/// Reads one file of dead letters, a line at a time.
///
/// A last line without its end was being written when a process ended: nobody was told that it is
/// kept, and it came again. It is passed over.
public struct DeadLetterReader: ~Copyable {
    private static let pieceBytes = 64 << 10

    /// Lines that are no letters so far; each is passed over.
    public private(set) var damagedLineCount = 0
    private let file: FileDescriptor
    private let lineBytesMax: Int
    private var buffer: [UInt8] = []
    /// Where the next line starts in the buffer.
    private var start = 0
    private var isAtEnd = false

    public init(opening path: String) throws(SystemError) {
        try self.init(opening: path, lineBytesMax: DeadLetterLine.bytesMax)
    }

    init(opening path: String, lineBytesMax: Int) throws(SystemError) {
        file = try FileDescriptor(opening: path, .read)
        self.lineBytesMax = lineBytesMax
    }

    /// Nil at the end.
    public mutating func next() throws(SystemError) -> DeadLetterEntry? {
        while let line = try nextLine() {
            if let entry = DeadLetterEntry(line) { return entry }
            damagedLineCount += 1
        }
        return nil
    }

    /// Without its line break. Of one that is too long the start, which is no letter.
    private mutating func nextLine() throws(SystemError) -> [UInt8]? {
        var searched = start
        var tooLong: [UInt8]?
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return tooLong ?? Array(buffer[start..<end])
            }
            if isAtEnd { return nil }
            buffer.removeSubrange(..<start)
            start = 0
            if buffer.count > lineBytesMax {
                tooLong = []
                buffer.removeAll()
            }
            searched = buffer.count
            isAtEnd = try file.read(upTo: Self.pieceBytes, appendingTo: &buffer) == 0
        }
    }
}
