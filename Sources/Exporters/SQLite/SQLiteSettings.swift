public import Configuration
public import Pipeline
import Platform

/// The settings of a `sqlite` exporter.
public struct SQLiteSettings: Sendable, Equatable {
    /// When a commit counts as durable; see https://www.sqlite.org/pragma.html#pragma_synchronous.
    public enum Synchronous: String, Sendable, CaseIterable {
        case full, normal, off
    }

    public var path = "./sluice-data/sluice.db"
    /// Since arrival; zero keeps everything.
    public var maxAge = Duration.seconds(7 * 24 * 3600)
    /// Of the rows and their indexes; zero has no limit.
    public var maxBytes = 2 << 30
    /// How long to wait for another process's lock before the lot is tried again later.
    public var busyTimeout = Duration.seconds(5)
    public var synchronous = Synchronous.full
    public var cacheBytes = 16 << 20
    public var delivery = SQLiteSettings.standardDelivery

    public init() {}

    public init(_ reader: inout MappingReader) {
        path = reader.string("path", default: path)
        if path.isEmpty { reader.error(at: "path", "must not be empty") }
        _ = reader.mapping("retention") { retention in
            maxAge = retention.duration("max_age", default: maxAge)
            maxBytes = retention.bytes("max_size", default: maxBytes)
        }
        if maxBytes > 0, maxBytes < Self.maxBytesLeast {
            reader.error(at: "retention", "max_size must be at least 1MiB, or 0 for no limit")
        }
        busyTimeout = reader.duration(
            "busy_timeout", default: busyTimeout, in: .zero...Duration.seconds(600))
        synchronous = reader.oneOf("synchronous", default: synchronous)
        switch synchronous {
        case .full: break
        case .normal:
            reader.warning(
                at: "synchronous", "a power cut can undo the last commits, though acknowledged")
        case .off:
            reader.warning(
                at: "synchronous", "a power cut can damage the file, not only lose its end")
        }
        cacheBytes = reader.bytes("cache_size", default: cacheBytes, in: (1 << 20)...(1 << 40))
        var standard = Self.standardDelivery
        _ = reader.mapping("transaction") { standard.lots.readTransaction(&$0) }
        delivery = DeliverySettings(&reader, standard: standard)
    }

    /// A file below this would be emptied as fast as it fills.
    private static let maxBytesLeast = 1 << 20

    /// SQLite has one writer, so one consumer. Its lots gather whatever waits: at low load a
    /// transaction every 100 ms, which a reader sees at once; under load ever larger ones.
    static var standardDelivery: DeliverySettings {
        var delivery = DeliverySettings()
        delivery.consumerCount = 1
        delivery.lots = LotLimits(
            itemsMin: 10_000, waitMax: .milliseconds(100), itemsMax: 20_000, bytesMax: 16 << 20,
            batchesMax: 1_000, mixesSignals: true)
        // What makes a local file refuse, a lock or a full disk, is soon over.
        delivery.retry.initialInterval = .seconds(1)
        return delivery
    }
}
