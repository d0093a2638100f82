import Configuration
import Pipeline

/// The keys of `file`.
public struct FileSettings: Sendable {
    enum Format: String, Sendable, CaseIterable { case json, proto }
    enum Compression: String, Sendable, CaseIterable {
        case none, zstd
        /// The Collector's other way to say none.
        case empty = ""
    }

    /// When the file is set aside for a new one, and how long such files are kept.
    struct Rotation: Sendable, Equatable {
        var bytesMax = 100 << 20
        /// 0 keeps them whatever their age.
        var daysMax = 0
        /// 0 keeps them whatever their number.
        var backupsMax = 100
        /// Whether their names carry the machine's own time instead of UTC.
        var isLocalTime = false
    }

    var path: String
    var format = Format.json
    var isCompressed = false
    var appends = true
    /// Whether a lot is on the disk before it counts as delivered.
    var synchronizes = true
    var rotation: Rotation?
    var createsDirectory = false
    var directoryMode: UInt32 = 0o700
    var delivery: DeliverySettings

    /// A lot's bytes: what is encoded in memory at once.
    static let lotBytesMax = 8 << 20
    static let lotBatchesMax = 1000

    init(_ reader: inout MappingReader) {
        var standard = DeliverySettings()
        standard.consumerCount = 1
        standard.lots = LotLimits(
            bytesMax: Self.lotBytesMax, batchesMax: Self.lotBatchesMax, mixesSignals: true)
        path = reader.requiredString("path")
        format = reader.oneOf("format", default: format)
        isCompressed = reader.oneOf("compression", default: Compression.none) == .zstd
        appends = reader.bool("append", default: appends)
        synchronizes = reader.bool("fsync", default: synchronizes)
        rotation = reader.mapping("rotation", null: .absent, read: Self.readRotation)
        if rotation != nil, reader.bool("append") == true {
            reader.warning(at: "append", "needs no saying beside rotation")
        }
        createsDirectory = reader.bool("create_directory", default: createsDirectory)
        delivery = DeliverySettings(&reader, standard: standard)
        readDirectoryMode(&reader)
        if reader.duration("flush_interval") != nil {
            reader.warning(
                at: "flush_interval",
                "is ignored: nothing is held back, a lot is written when it is handed over")
        }
        reader.ignored("compression_params", because: "zstd has one level here")
        if reader.isGiven("encoding") {
            reader.error(at: "encoding", "is not built: 'format' chooses json or proto")
        }
        readGroupBy(&reader)
    }

    private static func readRotation(_ reader: inout MappingReader) -> Rotation {
        var rotation = Rotation()
        let megabytes = reader.int("max_megabytes", default: 100, in: 0...1 << 24)
        // 0 is what a key that is left out holds in the Collector.
        if megabytes > 0 { rotation.bytesMax = megabytes << 20 }
        rotation.daysMax = reader.int("max_days", default: 0, in: 0...36_500)
        rotation.backupsMax = reader.int("max_backups", default: 100, in: 0...Int.max)
        rotation.isLocalTime = reader.bool("localtime", default: false)
        return rotation
    }

    private mutating func readDirectoryMode(_ reader: inout MappingReader) {
        guard let text = reader.string("directory_permissions"), !text.isEmpty else { return }
        if let mode = UInt32(text, radix: 8), mode <= 0o777 {
            directoryMode = mode
        } else {
            reader.error(
                at: "directory_permissions", "expected octal permissions such as \"0755\"")
        }
    }

    private func readGroupBy(_ reader: inout MappingReader) {
        _ = reader.mapping("group_by", null: .absent) { group in
            let isEnabled = group.bool("enabled", default: false)
            _ = group.string("resource_attribute")
            _ = group.int("max_open_files", in: 0...Int.max)
            if isEnabled {
                group.error(
                    at: "enabled",
                    "is not built: use one file exporter a pipeline, or split the"
                        + " lines by their resource afterwards")
            }
        }
    }
}
