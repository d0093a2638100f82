import Bytes
import Testing

@testable import Platform

@Suite struct BlockBufferTests {
    private func blocks(_ buffer: BlockBuffer) -> [UInt8] {
        var bytes: [UInt8] = []
        buffer.withBlocks { blocks in
            bytes = blocks.array(ByteRange(start: 0, end: blocks.byteCount))
        }
        return bytes
    }

    @Test func `What does not fill a block is followed by zeros, and stays`() {
        let buffer = BlockBuffer(capacityMax: 64 << 10)
        #expect(blocks(buffer) == [])
        #expect(buffer.append([UInt8](repeating: 7, count: 5000).rawSpan) == 5000)
        #expect(
            blocks(buffer)
                == [UInt8](repeating: 7, count: 5000) + [UInt8](repeating: 0, count: 3192))
        #expect(buffer.removeBlocks() == 4096)
        #expect(buffer.append([UInt8](repeating: 8, count: 10).rawSpan) == 10)
        #expect(
            blocks(buffer)
                == [UInt8](repeating: 7, count: 904) + [UInt8](repeating: 8, count: 10)
                + [UInt8](repeating: 0, count: 3182))
        #expect(buffer.removeBlocks() == 0)
        #expect(buffer.count == 914)
    }

    @Test(arguments: [64 << 10, 2 << 20])
    func `It grows as far as it may, and takes no more`(capacity: Int) {
        let buffer = BlockBuffer(capacityMax: capacity)
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        var all: [UInt8] = []
        while !buffer.isFull {
            let taken = buffer.append(bytes.rawSpan)
            #expect(taken == min(bytes.count, capacity - all.count))
            all += bytes[..<taken]
        }
        #expect(blocks(buffer) == all)
        #expect(buffer.append(bytes.rawSpan) == 0)
        #expect(buffer.removeBlocks() == capacity && buffer.count == 0)
    }

    @Test func `A file that is written past the page cache takes whole blocks`() throws {
        try withScratch { directory in
            let file = try FileDescriptor(
                opening: "\(directory)/file", .readWrite, creating: .always)
            // Not every file system can.
            guard (try? file.setBypassingPageCache(true)) != nil else { return }
            let buffer = BlockBuffer(capacityMax: 64 << 10)
            _ = buffer.append([UInt8](repeating: 9, count: 6000).rawSpan)
            try buffer.withBlocks { blocks throws(SystemError) in
                try file.writeAll(blocks, at: 4096)
            }
            #expect(throws: SystemError(call: "pwrite", errno: 22)) {
                try file.writeAll([1, 2, 3].rawSpan, at: 1)
            }
            try file.setBypassingPageCache(false)
            try file.writeAll([1, 2, 3].rawSpan, at: 1)
            #expect(try file.size() == 12_288)
        }
    }

    @Test(arguments: [true, false])
    func `A file is read from any byte on, as far as it goes`(bypassesPageCache: Bool) throws {
        try withScratch { directory in
            let bytes = (0..<100_001).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 >> 8) }
            let file = try FileDescriptor(
                opening: "\(directory)/file", .readWrite, creating: .always)
            try file.writeAll(bytes.rawSpan, at: 0)
            // Not every file system can.
            if bypassesPageCache {
                guard (try? file.setBypassingPageCache(true)) != nil else { return }
            }
            let buffer = BlockBuffer(capacityMax: 64 << 10)
            for offset in [0, 1, 4095, 4096, 50_001, 98_304, 100_000, 100_001, 102_400, 200_000] {
                for count in [1, 4096, 60_000, 1 << 20] {
                    // What was there stays; at most what fits is read.
                    var found: [UInt8] = [42]
                    let read = try buffer.read(file, at: offset, upTo: count, appendingTo: &found)
                    let room = (64 << 10) - offset % 4096
                    let wanted = bytes.dropFirst(offset).prefix(min(count, room))
                    #expect(read == wanted.count)
                    #expect(found == [42] + wanted)
                }
            }
        }
    }
}
