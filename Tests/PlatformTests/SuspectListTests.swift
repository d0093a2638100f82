import Testing

@testable import Platform

private func records(
    _ first: UInt64, _ last: UInt64, log: UInt64 = 1, epoch: UInt64 = 2
) -> RecordRange {
    RecordRange(log: log, epoch: (0xFFFF_0000_0000_0001, epoch), first: first, last: last)
}

@Suite struct SuspectListTests {
    @Test func `Records that were under way are delivered alone, and others as ever`() {
        var list = SuspectList()
        #expect(list.isEmpty && list.verdict(on: records(5, 5)) == .deliver)
        list.note(records(5, 7))
        #expect(
            (4...8).map { list.verdict(on: records($0, $0)) } == [
                .deliver, .deliverAlone, .deliverAlone, .deliverAlone, .deliver,
            ])
        #expect(list.verdict(on: records(5, 5, log: 9)) == .deliver)
        #expect(list.verdict(on: records(5, 5, epoch: 9)) == .deliver)
    }

    private static let crashes: [([(UInt64, UInt64)], SuspectList.Verdict, SuspectList.Verdict)] = [
        // Within a lot, then alone.
        ([(1, 9), (4, 4)], .quarantine, .deliverAlone),
        ([(4, 4), (1, 9)], .quarantine, .deliverAlone),
        // Alone from the beginning.
        ([(4, 4)], .deliverAlone, .deliver),
        ([(4, 4), (4, 4)], .quarantine, .deliver),
        // Never alone: nobody knows which one it was.
        ([(1, 9), (1, 9), (3, 5)], .deliverAlone, .deliverAlone),
    ]

    @Test(arguments: crashes)
    func `Two crashes, one of them alone, are quarantine`(
        crashes: [(UInt64, UInt64)], fourth: SuspectList.Verdict, fifth: SuspectList.Verdict
    ) {
        var list = SuspectList()
        for crash in crashes { list.note(records(crash.0, crash.1)) }
        #expect(list.verdict(on: records(4, 4)) == fourth)
        #expect(list.verdict(on: records(5, 5)) == fifth)
    }

    @Test
    func `What was killed with the process goes in pieces, and is quarantined at the fourth time`()
    {
        var list = SuspectList()
        for _ in 0..<3 {
            list.note(records(4, 4), wasKilled: true)
            #expect(list.verdict(on: records(4, 4)) == .deliverInPieces)
            #expect(list.verdict(on: records(5, 5)) == .deliver)
        }
        list.note(records(4, 4), wasKilled: true)
        #expect(list.verdict(on: records(4, 4)) == .quarantine)
        // A crash counts as ever.
        list.note(records(6, 6), wasKilled: true)
        list.note(records(6, 6))
        #expect(list.verdict(on: records(6, 6)) == .deliverInPieces)
        list.note(records(6, 6))
        #expect(list.verdict(on: records(6, 6)) == .quarantine)
        #expect(SuspectList.parse(Array(list.text.utf8)).list == list)
    }

    @Test func `The oldest beyond the limit is forgotten`() {
        var list = SuspectList()
        for position in 0...UInt64(SuspectList.entriesMax) {
            list.note(records(position, position))
        }
        #expect(list.entries.count == SuspectList.entriesMax)
        #expect(list.verdict(on: records(0, 0)) == .deliver)
        #expect(list.verdict(on: records(1, 1)) == .deliverAlone)
    }

    @Test func `The list comes back from its file`() throws {
        try withScratch { directory in
            let path = directory + "/suspects"
            #expect(try SuspectList.load(from: path) == (SuspectList(), false))
            var list = SuspectList()
            list.note(records(1, .max, log: .max))
            list.note(records(4, 4))
            list.note(records(4, 4))
            try list.save(to: path)
            #expect(try SuspectList.load(from: path) == (list, false))
        }
    }

    @Test func `The list is one that people can read`() {
        var list = SuspectList()
        list.note(records(4, 6))
        #expect(
            list.text == """
                sluice suspects 1
                0000000000000001 ffff0000000000010000000000000002 4 6 1

                """)
    }

    @Test func `A file that is cut at any byte gives whole lines, and says that it is damaged`() {
        var list = SuspectList()
        list.note(records(4, 6))
        list.note(records(8, 8))
        let bytes = Array(list.text.utf8)
        let lineEnds = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
        for count in bytes.indices {
            let parsed = SuspectList.parse(Array(bytes[..<count]))
            let wholeLines = lineEnds.count { $0 < count }
            #expect(parsed.isDamaged == (count == 0 || bytes[count - 1] != UInt8(ascii: "\n")))
            #expect(parsed.list.entries == Array(list.entries.prefix(max(0, wholeLines - 1))))
        }
    }

    @Test(arguments: [
        "", "x", "sluice suspects 2\n", "sluice suspects 1\n1 2 3 4 5\n",
        "sluice suspects 1\n0000000000000001 ffff0000000000010000000000000002 6 4 1\n",
        "sluice suspects 1\n0000000000000001 ffff0000000000010000000000000002 4 6 0\n",
        "sluice suspects 1\n0000000000000001 ffff0000000000010000000000000002 4 6 9999999999\n",
    ])
    func `What cannot be read is kept beside the list`(text: String) throws {
        try withScratch { directory in
            let path = directory + "/suspects"
            try FileSystem.replace(path, with: Array(text.utf8))
            #expect(try SuspectList.load(from: path) == (SuspectList(), true))
            #expect(try FileSystem.list(directory) == ["suspects.damaged"])
            #expect(
                try FileSystem.read(path + ".damaged", bytesMax: 1000) == Array(text.utf8))
        }
    }
}
