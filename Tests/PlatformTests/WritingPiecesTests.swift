import Bytes
import Testing

@testable import Platform

@Suite struct WritingPiecesTests {
    @Test func `Pieces are written one behind the other, whatever their lengths`() throws {
        try withScratch { directory in
            let path = "\(directory)/file"
            let file = try FileDescriptor(opening: path, .readWrite, creating: .always)
            var pieces = (0..<FileDescriptor.piecesMax).map {
                [UInt8](repeating: UInt8($0), count: $0 * 37 % 5_000)
            }
            pieces[17] = []
            try file.writeAll(pieces, at: 9)
            try file.writeAll([], at: 0)
            var read: [UInt8] = []
            while try file.read(at: read.count, upTo: 1 << 20, appendingTo: &read) > 0 {}
            #expect(read == [UInt8](repeating: 0, count: 9) + pieces.joined())
        }
    }
}
