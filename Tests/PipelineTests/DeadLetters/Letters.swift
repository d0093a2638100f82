import Bytes
import OTLP
import Platform

@testable import Pipeline

/// Letters for tests, and a directory that goes when the test does. The time is the clock's.
final class Letters: Sendable {
    static let time = "2026-11-20T16:40:38.123456789Z"
    let directory: String
    private let root: String
    private let clock = ManualClock(unixNanoseconds: 1_795_192_837_123_456_789)

    init() throws {
        let name = SystemRandom.bytes(8).map { String($0, radix: 16) }.joined()
        root = "/tmp/sluice-letters-\(CurrentProcess.id)-\(name)"
        directory = root + "/dead-letter"
        try FileSystem.makeDirectory(root)
    }

    deinit {
        for path in [directory, root] {
            for name in (try? FileSystem.list(path)) ?? [] {
                try? FileSystem.remove("\(path)/\(name)")
            }
            try? FileSystem.removeDirectory(path)
        }
    }

    func store(
        bytesMax: Int = 1 << 20, fileBytesMax: Int = 1 << 20
    ) throws(SystemError) -> DeadLetters {
        try DeadLetters(
            directory: directory, bytesMax: bytesMax, clock: clock, fileBytesMax: fileBytesMax)
    }

    var names: [String] { (try? FileSystem.list(directory)) ?? [] }

    func text(_ name: String) throws(SystemError) -> String {
        String(
            decoding: try FileSystem.read("\(directory)/\(name)", bytesMax: 1 << 24),
            as: UTF8.self)
    }

    func append(_ text: String, to name: String) throws {
        let file = try FileDescriptor(opening: "\(directory)/\(name)", .append)
        try file.writeAll(Array(text.utf8).rawSpan)
    }

    static func letter(
        _ exporter: String = "otlphttp/a", _ signal: Signal = .traces, itemCount: Int = 2,
        reason: String = "400: no"
    ) -> DeadLetter {
        DeadLetter(
            exporter: exporter, pipeline: signal.name, signal: signal, reason: reason,
            itemCount: itemCount,
            position: .init(epoch: (1, .max), number: 123, items: Array(4..<4 + itemCount)),
            payload: Numbered.payload(signal, [[itemCount]]))
    }

    /// Of the standard letter's line.
    static var bytes: Int {
        var line: [UInt8] = []
        DeadLetterLine.append(letter(), at: 1_795_192_837_123_456_789, to: &line)
        return line.count
    }

    /// All letters of a file that can be read, as they were set aside, and what can't be.
    static func read(
        _ file: DeadLetterFile, of store: DeadLetters
    ) throws -> (letters: [DeadLetter], damagedLineCount: Int) {
        var reader = try store.open(file)
        var letters: [DeadLetter] = []
        while let entry = try reader.next() { letters.append(try letter(entry)) }
        return (letters, reader.damagedLineCount)
    }

    static func letter(_ entry: DeadLetterEntry) throws -> DeadLetter {
        DeadLetter(
            exporter: entry.exporter, pipeline: entry.pipeline, signal: entry.signal,
            reason: entry.reason, itemCount: entry.itemCount, position: entry.position,
            payload: try entry.payload())
    }
}
