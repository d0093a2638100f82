import Configuration
import Pipeline

/// The keys of `debug`.
public struct DebugSettings: Sendable {
    enum Verbosity: String, Sendable, CaseIterable {
        /// A line a batch.
        case basic
        /// A line an item.
        case normal
        /// Every field.
        case detailed
    }

    var verbosity = Verbosity.basic
    /// Batches printed in each second before sampling begins…
    var samplingInitial = 2
    /// …of the later ones every such is printed; 0 prints none.
    var samplingThereafter = 1
    /// `stdout`, `stderr` or files, which are appended to.
    var outputPaths = ["stdout"]
    var delivery: DeliverySettings

    static let outputsMax = 8

    init(_ reader: inout MappingReader) {
        var standard = DeliverySettings()
        standard.consumerCount = 1
        // A lot's text is made in memory, several times as long as its bytes.
        standard.lots = LotLimits(bytesMax: 1 << 20, batchesMax: 64, mixesSignals: true)
        samplingInitial = reader.int("sampling_initial", default: 2, in: 0...Int.max)
        samplingThereafter = reader.int("sampling_thereafter", default: 1, in: 0...Int.max)
        outputPaths = reader.strings("output_paths", default: outputPaths)
        if outputPaths.isEmpty || outputPaths.count > Self.outputsMax {
            reader.error(
                at: "output_paths", "expected between 1 and \(Self.outputsMax) places to write to")
        }
        if reader.bool("use_internal_logger") == true {
            reader.warning(
                at: "use_internal_logger",
                "is ignored: telemetry is printed to output_paths, apart from Sluice's own log")
        }
        delivery = DeliverySettings(&reader, standard: standard)
        readVerbosity(&reader)
    }

    private mutating func readVerbosity(_ reader: inout MappingReader) {
        if let name = reader.string("loglevel") {
            // As the Collector's `logging` took it.
            switch name.lowercased() {
            case "debug": verbosity = .detailed
            case "info": verbosity = .normal
            case "warn", "error", "dpanic", "panic", "fatal": verbosity = .basic
            default: reader.error(at: "loglevel", "expected debug, info, warn or error")
            }
            reader.warning(
                at: "loglevel",
                "is the older form of 'verbosity', and taken for \(verbosity.rawValue)")
        }
        verbosity = reader.oneOfIgnoringCase("verbosity", default: verbosity)
    }
}
