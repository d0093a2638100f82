public import Configuration
import OTLP
public import Pipeline
import Platform
import Synchronization

/// `file`: telemetry in a file, one request a record.
///
/// A lot is delivered when all of it is in the file and, unless `fsync` is off, on the disk.
final class FileExporter: Exporter {
    private struct State: ~Copyable {
        var encoder: RecordEncoder
        var file: OutputFile
    }

    private let path: String
    private let clock: any Clock
    private let state: Mutex<State>

    init(_ settings: FileSettings, _ environment: ComponentEnvironment) throws(ComponentError) {
        path = settings.path
        clock = environment.clock
        try Self.check(settings)
        state = Mutex(
            State(
                encoder: RecordEncoder(settings),
                file: OutputFile(settings, log: environment.log)))
    }

    func export(_ lot: Lot) -> ExportOutcome {
        let now = clock.unixNanoseconds
        return state.withLock { state in
            do throws(WireError) {
                let records = try state.encoder.encode(lot)
                return append(records, to: &state.file, now)
            } catch {
                return .unwritable(error)
            }
        }
    }

    func abort() {}

    func close() { state.withLock { $0.file.close() } }

    /// Every fault of a file may pass: space is freed, a disk is mounted again.
    private func append(
        _ records: [UInt8], to file: inout OutputFile, _ now: UInt64
    ) -> ExportOutcome {
        do throws(SystemError) {
            guard try file.append(records, unixNanoseconds: now) else {
                return .retry(after: nil, because: "\(path) is being written by another exporter")
            }
            return .accepted()
        } catch {
            return .retry(after: nil, because: "\(path): \(error)")
        }
    }

    /// Finds at start what would fail at the first lot.
    private static func check(_ settings: FileSettings) throws(ComponentError) {
        let path = settings.path
        do throws(SystemError) {
            if settings.createsDirectory {
                try FileSystem.makeDirectory(
                    FileSystem.parent(of: path), mode: settings.directoryMode)
            }
            _ = try FileDescriptor(opening: path, .append, creating: .ifMissing)
        } catch {
            let directory = FileSystem.parent(of: path)
            let hint =
                FileSystem.isDirectory(directory)
                ? "" : "; make the directory, or set create_directory: true"
            throw ComponentError("cannot write to '\(path)': \(error)\(hint)")
        }
    }
}

public enum FileExporterFactory: ExporterFactory {
    public static let type = "file"

    public static func read(_ reader: inout MappingReader) -> FileSettings {
        FileSettings(&reader)
    }

    public static func delivery(_ settings: FileSettings) -> DeliverySettings {
        settings.delivery
    }

    public static func make(
        _ settings: FileSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter {
        try FileExporter(settings, environment)
    }
}
