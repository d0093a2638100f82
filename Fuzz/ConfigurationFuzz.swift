// A libFuzzer target: everything that is done with the text of a configuration.
//
// Besides not crashing it asserts that what the YAML writer prints is read back, and that writing
// it again changes nothing.

import Configuration

private let catalogue = ComponentCatalogue([
    .receiver: .init(built: ["otlp"]),
    .exporter: .init(built: ["otlp_http"], aliases: ["otlphttp": "otlp_http"]),
])

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // SAFETY: libFuzzer's buffer holds `count` bytes and lives during the call.
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let (root, diagnostics) = load(bytes)
    _ = ServiceConfiguration(root, catalogue: catalogue, diagnostics: diagnostics)
    _ = diagnostics.report()

    let written = YAML.write(root)
    let (again, faults) = load(Array(written.utf8))
    // `${yaml:…}` can make a tree deeper than one file may be.
    if faults.errorCount > 0, faults.report().contains("nested deeper") { return 0 }
    precondition(faults.errorCount == 0, "written YAML is not read back:\n\(written)")
    let rewritten = YAML.write(again)
    precondition(rewritten == written, "written YAML changes:\n\(written)\n\(rewritten)")
    return 0
}

/// How often one input includes itself: deeper than may be. More would make of a few bytes a
/// megabyte that takes seconds, and the fuzzer likes such inputs best.
private let inclusionsMax = 20

/// Each variable's value is its own name, so that references resolve; a file includes itself.
private func load(_ bytes: [UInt8]) -> (ConfigurationNode, Diagnostics) {
    var readCount = 0
    let sources = ConfigurationSources(
        environment: { $0 == "UNSET" ? nil : $0 },
        readFile: { _ throws(ConfigurationSources.ReadError) in
            readCount += 1
            guard readCount <= 1 + inclusionsMax else {
                throw ConfigurationSources.ReadError(reason: "it is gone")
            }
            return bytes
        })
    let diagnostics = Diagnostics()
    let root = ConfigurationLoader(sources: sources).load(
        configs: ["fuzz.yaml"], diagnostics: diagnostics)
    return (root, diagnostics)
}
