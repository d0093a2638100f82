import Foundation
import Glibc
import Platform

/// A file system of a few KiB in memory, which fills up like any other. Making one takes root.
final class SmallDisk: Sendable {
    private let scratch: Scratch
    var path: String { scratch.path }

    static let isPossible = geteuid() == 0 && (try? SmallDisk(kibibytes: 16)) != nil

    init(kibibytes: Int) throws {
        scratch = try Scratch()
        try Self.run("mount", "-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", scratch.path)
    }

    deinit { try? Self.run("umount", scratch.path) }

    private struct Failed: Error {}

    private static func run(_ command: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed() }
    }
}
