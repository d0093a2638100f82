import Bytes
import Compression
import OTLP
import Pipeline

/// Batches as they stand in the file, in the Collector's forms:
///
///     json, not compressed    the request in OTLP/JSON, 0x0A
///     anything else           UInt32 big-endian length, so many bytes: the request in OTLP/JSON or
///                             protobuf; with compression one Zstandard frame of it
struct RecordEncoder: ~Copyable {
    private let format: FileSettings.Format
    private var compressor: Compressor?
    private var writer = OTLPJSON.Writer()

    init(_ settings: FileSettings) {
        format = settings.format
        compressor = settings.isCompressed ? Compressor(.zstd) : nil
    }

    /// - Throws: `WireError` for a payload that can't be written as JSON: nested too deep.
    mutating func encode(_ lot: Lot) throws(WireError) -> [UInt8] {
        var output: [UInt8] = []
        for batch in lot.batches {
            let room = max(0, lot.workBytesMax - output.count)
            let isLine = format == .json && compressor == nil
            guard !isLine else {
                try writer.write(
                    batch.payload.rawSpan, as: batch.signal, into: &output, outputBytesMax: room)
                output.append(UInt8(ascii: "\n"))
                continue
            }
            var record = batch.payload
            if format == .json {
                record.removeAll(keepingCapacity: true)
                try writer.write(
                    batch.payload.rawSpan, as: batch.signal, into: &record, outputBytesMax: room)
            }
            if let compressed = compressor?.compress(record.rawSpan) { record = compressed }
            // A payload ends below 1 GiB, and its JSON below the writer's 4 GiB.
            let length = UInt32(record.count)
            for shift in [24, 16, 8, 0] as [UInt32] {
                output.append(UInt8(truncatingIfNeeded: length >> shift))
            }
            output += record
        }
        return output
    }
}
