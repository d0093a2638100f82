import Platform

/// Runs `body` with a new directory, which is removed afterwards with all that is in it.
func withScratch(_ body: (String) throws -> Void) throws {
    let name = SystemRandom.bytes(8).map { String($0, radix: 16) }.joined()
    let path = "/tmp/sluice-platform-\(CurrentProcess.id)-\(name)"
    try FileSystem.makeDirectory(path)
    defer { removeTree(path) }
    try body(path)
}

private func removeTree(_ path: String) {
    guard FileSystem.isDirectory(path) else {
        try? FileSystem.remove(path)
        return
    }
    for name in (try? FileSystem.list(path)) ?? [] { removeTree(path + "/" + name) }
    try? FileSystem.removeDirectory(path)
}
