import Foundation
import Testing

@testable import DurableLog

@Suite struct LogInspectorTests {
    @Test(arguments: [true, false])
    func `A log is listed, read and verified without a change`(isSealed: Bool) throws {
        let first = try SmallLog.write(records: 5)
        let second = try SmallLog.write(records: 12, behind: first)
        let scratch = try Scratch()
        var file = isSealed ? second.sealed : second.unsealed
        file[second.bytes(3).lowerBound + 50] ^= 1
        if !isSealed {
            file = Array(file[..<second.ends.last!]) + [UInt8](repeating: 0xAA, count: 100)
        }
        try first.write(
            first.sealed, cursors: first.cursors, files: [second.name: file], to: scratch)

        let inspector = try LogInspector(scratch.path + "/log")
        #expect(inspector.segments.map(\.number) == [1, 2])
        #expect(inspector.segments.map(\.numbers) == [1..<6, 6..<18])
        #expect(inspector.segments.map(\.epoch) == [first.epoch, second.epoch])
        #expect(inspector.segments.map(\.isSealed) == [true, isSealed])
        #expect(inspector.segments.map(\.logName) == ["small", "small"])
        let items = (first.records + second.records).reduce(0) { $0 + $1.itemCount }
        #expect(inspector.segments.reduce(0) { $0 + $1.itemCount } == items)
        #expect(inspector.cursors.map(\.name) == ["a"])
        #expect(inspector.cursors.map(\.pendingItems) == [items])
        #expect(
            inspector.events
                == (isSealed ? [] : [.tornEnd(segment: path(scratch, second), bytes: 100)]))

        var records: [LogRecord] = []
        try inspector.forEachFinding(in: 4..<9, withContent: true) { finding in
            if case .record(_, let record?) = finding { records.append(record) }
        }
        #expect(records == Array(first.records[3...] + second.records[..<3]))

        let verification = try inspector.verify()
        let lost = second.records[3].itemCount
        #expect(verification.recordCount == 16)
        #expect(verification.itemCount == items - lost)
        #expect(
            verification.damages == [
                LogInspector.Damage(
                    path: path(scratch, second), offset: second.range(3).lowerBound,
                    bytes: second.range(3).count, number: 9, itemCount: lost)
            ])
        let after = try [UInt8](Data(contentsOf: URL(filePath: path(scratch, second))))
        #expect(after == file)
    }

    private func path(_ scratch: Scratch, _ log: SmallLog) -> String {
        "\(scratch.path)/log/\(log.name)"
    }
}
