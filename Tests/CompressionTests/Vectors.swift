import Foundation

/// Bodies to compress, the same on every run.
enum Sample {
    /// Text with about the redundancy of telemetry, so that it shrinks some ten times.
    static func telemetry(bytes: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SplitMix64(state: seed)
        var text: [UInt8] = []
        while text.count < bytes {
            let id = random.next() % 10_000
            text += Array(#"{"name":"GET /items/\#(id)","kind":2,"status":200,"zone":"b"},"#.utf8)
        }
        return Array(text.prefix(bytes))
    }

    /// Bytes that don't shrink.
    static func noise(bytes: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SplitMix64(state: seed)
        var noise = [UInt8](repeating: 0, count: bytes)
        for index in noise.indices { noise[index] = UInt8(truncatingIfNeeded: random.next() >> 32) }
        return noise
    }

    static let zeros = [UInt8](repeating: 0, count: 4 << 20)
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The compressors of other people, as processes that read standard input.
enum Tool {
    static func gzip(_ input: [UInt8], level: Int = 6) throws -> [UInt8] {
        try run(["gzip", "-c", "-\(level)"], input)
    }

    static func gunzip(_ input: [UInt8]) throws -> [UInt8] {
        try run(["gzip", "-dc"], input)
    }

    /// A frame that declares no size and carries a checksum, as a streaming encoder writes it.
    static func zstdStream(_ input: [UInt8], options: [String] = []) throws -> [UInt8] {
        try run(["zstd", "-qc"] + options, input)
    }

    static func unzstd(_ input: [UInt8]) throws -> [UInt8] {
        try run(["zstd", "-dqc"], input)
    }

    /// A frame that declares no size and carries a checksum, with blocks of 4 MiB.
    static func lz4(_ input: [UInt8], options: [String] = []) throws -> [UInt8] {
        try run(["lz4", "-qc"] + options, input)
    }

    static func unlz4(_ input: [UInt8]) throws -> [UInt8] {
        try run(["lz4", "-dqc"], input)
    }

    /// zlib as Python's clients use it: 15 writes a zlib stream, -15 raw DEFLATE, 31 gzip.
    static func zlib(_ input: [UInt8], windowBits: Int) throws -> [UInt8] {
        let program = """
            import sys, zlib
            c = zlib.compressobj(6, zlib.DEFLATED, \(windowBits))
            sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())
            """
        return try run(["python3", "-c", program], input)
    }

    static func inflate(_ input: [UInt8]) throws -> [UInt8] {
        let program = """
            import sys, zlib
            sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))
            """
        return try run(["python3", "-c", program], input)
    }

    struct Failure: Error {
        let command: String
        let status: Int32
    }

    private static func run(_ arguments: [String], _ input: [UInt8]) throws -> [UInt8] {
        // Through a file: a pipe would fill up in both directions at once.
        let file = FileManager.default.temporaryDirectory.appending(
            path: "sluice-\(UUID().uuidString)")
        try Data(input).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(
                command: arguments.joined(separator: " "), status: process.terminationStatus)
        }
        return [UInt8](bytes)
    }
}
