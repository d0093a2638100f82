import Bytes
import Glibc
import OTLP
import Platform
import Testing

@testable import Pipeline

@Suite struct DeadLettersTests {
    let letters: Letters

    init() throws { letters = try Letters() }

    private func letter(in store: DeadLetters) throws -> [DeadLetter] {
        try store.files().flatMap { try Letters.read($0, of: store).letters }
    }

    @Test(arguments: Signal.allCases)
    func `A letter that was set aside can be read back`(signal: Signal) throws {
        let store = try letters.store()
        let letter = Letters.letter("otlphttp/a", signal, reason: "400: \"no\"\n\u{1}\\ü😀")
        try store.setAside(letter)
        let files = try store.files()
        #expect(files.map(\.name) == ["otlphttp%2fa-00000001.jsonl"])
        #expect(files.map(\.series) == [DeadLetterFile.series(of: "otlphttp/a")])
        let read = try Letters.read(files[0], of: store)
        #expect(read == ([letter], 0))
        #expect(
            store.status
                == .init(
                    files: 1, bytes: try letters.text(files[0].name).utf8.count, itemsSinceStart: 2)
        )
    }

    @Test func `A line is as documented`() throws {
        let store = try letters.store()
        var letter = Letters.letter(itemCount: 1)
        letter.payload = Numbered.payload(.traces, [])
        try store.setAside(letter)
        letter.position = nil
        try store.setAside(letter)
        let rest = #""exporter":"otlphttp/a","pipeline":"traces","signal":"traces","#
        let reason = #""reason":"400: no","items":1"#
        let position =
            #","position":{"epoch":"0000000000000001ffffffffffffffff","number":123,"items":[4]}"#
        let time = "\"time\":\"\(Letters.time)\""
        #expect(
            try letters.text("otlphttp%2fa-00000001.jsonl") == """
                {\(time),\(rest)\(reason)\(position),"otlp":{}}
                {\(time),\(rest)\(reason),"otlp":{}}

                """)
    }

    @Test func `Nothing is made before the first letter, and what is made is private`() throws {
        let store = try letters.store()
        #expect(!FileSystem.exists(letters.directory))
        #expect(try store.files().isEmpty && store.status == .init())
        try store.setAside([])
        #expect(!FileSystem.exists(letters.directory))
        try store.setAside(Letters.letter())
        var status = stat()
        #expect(unsafe stat(letters.directory, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        let path = "\(letters.directory)/\(letters.names[0])"
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func `Files end at their size, and exporters have their own`() throws {
        let store = try letters.store(fileBytesMax: 2 * Letters.bytes)
        for _ in 0..<3 {
            try store.setAside(Letters.letter("a"))
            try store.setAside(Letters.letter("b", .logs, itemCount: 40))
        }
        #expect(
            letters.names == [
                "a-00000001.jsonl", "a-00000002.jsonl", "b-00000001.jsonl", "b-00000002.jsonl",
                "b-00000003.jsonl",
            ])
        #expect(try letter(in: store).map(\.exporter) == ["a", "a", "a", "b", "b", "b"])
        #expect(store.status.files == 5)
    }

    @Test func `Beyond the bound letters are refused, until files are removed`() throws {
        let bytesMax = 3 * Letters.bytes + 1
        let store = try letters.store(bytesMax: bytesMax, fileBytesMax: 1)
        let full = DeadLetters.Failure.full(bytesMax: bytesMax)
        for _ in 0..<3 { try store.setAside(Letters.letter()) }
        #expect(throws: full) { try store.setAside(Letters.letter()) }
        // A later process counts what is there.
        let later = try letters.store(bytesMax: bytesMax, fileBytesMax: 1)
        #expect(later.status.bytes == store.status.bytes && later.status.files == 3)
        #expect(throws: full) { try later.setAside(Letters.letter()) }
        try later.remove(try later.files()[0])
        try later.setAside(Letters.letter())
        #expect(throws: full) { try later.setAside(Letters.letter()) }
        // By hand, as people do.
        try FileSystem.remove("\(letters.directory)/\(letters.names[0])")
        try later.setAside(Letters.letter())
    }

    @Test func `Several letters are kept together or not at all`() throws {
        let store = try letters.store(bytesMax: 3 * Letters.bytes)
        try store.setAside([Letters.letter(), Letters.letter()])
        let before = store.status
        #expect(throws: DeadLetters.Failure.self) {
            try store.setAside([Letters.letter(), Letters.letter()])
        }
        #expect(store.status == before)
        #expect(try letter(in: store).count == 2)
    }

    @Test func `A torn line spoils neither those before it nor those after a restart`() throws {
        let name = "otlphttp%2fa-00000001.jsonl"
        try letters.store().setAside(Letters.letter())
        let line = try letters.text(name)
        for count in 1..<line.utf8.count {
            try FileSystem.replace("\(letters.directory)/\(name)", with: Array(line.utf8))
            try letters.append(String(decoding: line.utf8.prefix(count), as: UTF8.self), to: name)
            let store = try letters.store()
            let read = try Letters.read(try store.files()[0], of: store)
            #expect(read == ([Letters.letter()], 0))
        }
        let store = try letters.store()
        try store.setAside(Letters.letter())
        #expect(letters.names == [name, "otlphttp%2fa-00000002.jsonl"])
        #expect(try letter(in: store).count == 2)
    }

    @Test func `A file that is being read is not written to any more`() throws {
        let store = try letters.store()
        try store.setAside(Letters.letter())
        let file = try store.files()[0]
        _ = try store.open(file)
        try store.setAside(Letters.letter())
        try store.remove(file)
        #expect(letters.names == ["otlphttp%2fa-00000002.jsonl"])
        #expect(try letter(in: store).count == 1)
        #expect(store.status.files == 1)
    }

    @Test func `Letters do not go to a file that somebody has removed or changed`() throws {
        let store = try letters.store()
        try store.setAside(Letters.letter())
        try FileSystem.remove("\(letters.directory)/\(letters.names[0])")
        try store.setAside(Letters.letter())
        #expect(letters.names == ["otlphttp%2fa-00000002.jsonl"])
        try letters.append("{", to: letters.names[0])
        try store.setAside(Letters.letter())
        #expect(letters.names.count == 2)
        #expect(try letter(in: store).count == 2)
    }

    @Test func `Damaged lines are counted and passed over, and kept aside on request`() throws {
        let store = try letters.store()
        try store.setAside(Letters.letter())
        try letters.append("not a letter\n\n{\"signal\":\"traces\"}\n", to: letters.names[0])
        let file = try store.files()[0]
        let read = try Letters.read(file, of: store)
        #expect(read == ([Letters.letter()], 3))
        try store.keepDamaged(file)
        #expect(letters.names == ["otlphttp%2fa-00000001.jsonl.damaged"])
        #expect(try store.files().isEmpty && store.status.files == 0)
    }

    @Test func `A line that is too long is damage, and the next one is read`() throws {
        let store = try letters.store()
        try store.setAside(Letters.letter())
        let name = letters.names[0]
        let line = try letters.text(name)
        try letters.append(String(repeating: "x", count: 300_000) + "\n" + line, to: name)
        var reader = try DeadLetterReader(
            opening: "\(letters.directory)/\(name)", lineBytesMax: line.utf8.count)
        var count = 0
        while try reader.next() != nil { count += 1 }
        #expect(count == 2)
        let damaged = reader.damagedLineCount
        #expect(damaged == 1)
    }

    @Test func `A failed write is a failure, and no letter`() throws {
        let store = try letters.store()
        // Where the directory should be.
        try FileSystem.replace(letters.directory, with: [])
        let failure = #expect(throws: DeadLetters.Failure.self) {
            try store.setAside(Letters.letter())
        }
        #expect(failure == .system(SystemError(call: "mkdir", errno: EEXIST)))
        #expect(store.status == .init())
        try FileSystem.remove(letters.directory)
        try store.setAside(Letters.letter())
        #expect(store.status.files == 1)
    }

    @Test func `Exporters and threads do not disturb each other`() throws {
        let store = try letters.store(fileBytesMax: 2000)
        let threads = try (0..<6).map { number in
            try Thread(name: "letters-\(number)") {
                for _ in 0..<20 {
                    let letter = Letters.letter("exporter/\(number % 3)", itemCount: number + 1)
                    do { try store.setAside(letter) } catch { Issue.record(error) }
                }
            }
        }
        for thread in threads { thread.join() }
        let all = try letter(in: store)
        for number in 0..<6 {
            let letter = Letters.letter("exporter/\(number % 3)", itemCount: number + 1)
            #expect(all.count { $0 == letter } == 20)
        }
        let bytes = try store.files().reduce(0) { $0 + $1.bytes }
        #expect(store.status.bytes == bytes)
        #expect(store.status.itemsSinceStart == 20 * (1 + 2 + 3 + 4 + 5 + 6))
    }
}
