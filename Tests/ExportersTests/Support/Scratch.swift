import Foundation
import Platform

/// A directory that is gone when the test is over.
final class Scratch: Sendable {
    let path: String

    init() throws {
        let name = "sluice-\(UInt64.random(in: .min ... .max))"
        path = FileManager.default.temporaryDirectory.appending(path: name).path
        try FileSystem.makeDirectory(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func bytes(_ name: String) throws -> [UInt8] {
        try FileSystem.read(file(name), bytesMax: 64 << 20)
    }

    func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    func write(_ name: String, _ text: String) throws {
        try FileSystem.replace(file(name), with: Array(text.utf8))
    }

    var names: [String] { (try? FileSystem.list(path)) ?? [] }
}
