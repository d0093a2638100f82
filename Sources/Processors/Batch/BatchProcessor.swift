public import Configuration
public import Pipeline

/// `batch`: accepted so that the Collector's configurations load, and does nothing.
///
/// A request is answered once its data is queued, so there is no place before the queues where
/// batches could wait; exporters make their lots from the queue.
public struct BatchProcessor: Processor {
    public func process(_ batch: inout Batch, _ context: RequestContext) {}
}

public enum BatchProcessorFactory: ProcessorFactory {
    public static let type = "batch"

    public static func read(_ reader: inout MappingReader) {
        _ = reader.duration("timeout")
        let size = reader.int("send_batch_size", default: 8192, in: 0...Int(UInt32.max))
        let sizeMax = reader.int("send_batch_max_size", default: 0, in: 0...Int(UInt32.max))
        if sizeMax != 0, sizeMax < size {
            reader.error(
                at: "send_batch_max_size",
                "is below send_batch_size (\(size)); 0 means no maximum")
        }
        reader.checkMetadataKeys()
        _ = reader.int("metadata_cardinality_limit", in: 0...Int(UInt32.max))
        reader.warning(
            "does nothing here: each exporter batches from its queue; set sending_queue.batch "
                + "(min_size for send_batch_size, flush_timeout for timeout, max_size) there")
    }

    public static func make(
        _ settings: Void, _ environment: ComponentEnvironment
    ) -> any Processor {
        BatchProcessor()
    }
}
