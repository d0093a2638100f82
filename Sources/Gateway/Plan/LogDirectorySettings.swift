import Configuration
import DurableLog

/// `service.log`: where and how what was acknowledged is kept. The keys are ours.
struct LogDirectorySettings: Sendable, Equatable {
    /// Holds the logs, what was set aside, and the control socket.
    var directory = "./sluice-data"
    /// Of each pipeline's log.
    var log = LogSettings()
    /// Cursors of exporters that are gone, whose backlog is to be given up.
    var abandoned: [String] = []
    /// Of all that was set aside; an exporter that would pass it waits.
    var deadLettersBytesMax = 256 << 20

    /// Where commands reach the process that has the directory.
    var controlSocketPath: String { "\(directory)/control.sock" }

    enum Compression: String, CaseIterable {
        case none, zstd
    }

    init() {}

    /// - Parameter bodyBytesMax: the largest request that a receiver lets in.
    init(_ reader: inout MappingReader, standard: LogDirectorySettings, bodyBytesMax: Int) {
        self = standard
        directory = reader.string("directory", default: directory)
        if directory.isEmpty { reader.error(at: "directory", "must name a directory") }
        log.durability = reader.oneOf("durability", default: log.durability)
        log.bytesMax = reader.bytes("max_size", default: log.bytesMax, in: (8 << 20)...(1 << 50))
        if log.durability != .memory, log.bytesMax < bodyBytesMax {
            reader.warning(
                at: "max_size",
                "is \(log.bytesMax) bytes, and max_request_body_size lets in \(bodyBytesMax): a "
                    + "request that is larger than the log is refused with 413; raise one or lower "
                    + "the other")
        }
        log.ageMax = reader.duration("max_age", default: log.ageMax)
        log.retain = reader.duration("retain", default: log.retain)
        log.diskReserveBytes = reader.bytes("disk_reserve", default: log.diskReserveBytes)
        log.segmentBytes = reader.bytes(
            "segment_size", default: min(log.segmentBytes, log.bytesMax / Self.segmentsMin),
            in: (1 << 20)...(1 << 30))
        if log.segmentBytes > log.bytesMax / Self.segmentsMin {
            reader.error(
                at: "segment_size",
                "must be at most an eighth of max_size, which is \(log.bytesMax) bytes")
        }
        log.cacheBytesMax = reader.bytes("cache_size", default: log.cacheBytesMax)
        log.compresses = reader.oneOf("compression", default: Compression.none) == .zstd
        abandoned = reader.strings("abandon", default: abandoned)
        deadLettersBytesMax = reader.bytes(
            "dead_letters_max_size", default: deadLettersBytesMax, in: (1 << 20)...(1 << 50))
    }

    /// Room comes back by the segment.
    private static let segmentsMin = 8
}

/// `extensions.file_storage`: the Collector's place for queues; ours is `service.log.directory`.
struct FileStorageSettings: Sendable, Equatable {
    static let type = "file_storage"

    var directory: String?

    init(_ reader: inout MappingReader) {
        directory = reader.string("directory")
        reader.ignored(
            "timeout", "compaction", "recreate", because: "the log is no database that is compacted"
        )
        reader.ignored("max_size", because: "service.log.max_size is the limit of each log")
        reader.ignored("fsync", because: "service.log.durability says when data is on the disk")
        reader.ignored(
            "create_directory", "directory_permissions",
            because: "the directory is made if it is missing, for its owner alone")
    }
}
