import Bytes

/// What the log keeps of one request: bytes it does not look into, and what is counted of them.
public struct LogRecord: Sendable {
    /// What the bytes are. Other kinds have their numbers reserved in ``LogFormat``.
    public var signal: UInt8
    public var itemCount: Int
    /// Wall time, nanoseconds since 1970.
    public var receivedAt: UInt64
    /// Small facts beside the payload, such as a trace context: at most ``attachmentBytesMax``.
    public var attachment: [UInt8]
    public var payload: [UInt8]
    /// Of attachment and payload, where it is known: whoever appends a record has its bytes in the
    /// processor's cache, and the thread that writes them has not.
    var checksum: UInt32?

    public static let attachmentBytesMax = 1024
    /// A record is read into memory whole.
    public static let payloadBytesMax = 1 << 30
    static let contentBytesMax = attachmentBytesMax + payloadBytesMax

    public init(
        signal: UInt8, itemCount: Int, receivedAt: UInt64, attachment: [UInt8] = [],
        payload: [UInt8]
    ) {
        precondition(payload.count <= Self.payloadBytesMax, "a payload over the format's limit")
        precondition(attachment.count <= Self.attachmentBytesMax, "an attachment over its limit")
        self.signal = signal
        self.itemCount = itemCount
        self.receivedAt = receivedAt
        self.attachment = attachment
        self.payload = payload
    }

    /// What it takes on disk, uncompressed.
    public var bytesOnDisk: Int {
        LogFormat.recordBytes(content: attachment.count + payload.count)
    }
}

extension LogRecord {
    var computedChecksum: UInt32 {
        var checksum = CRC32C()
        checksum.update(attachment)
        checksum.update(payload)
        return checksum.value
    }
}

/// A record in its place.
public struct PlacedRecord: Sendable {
    public var position: LogPosition
    public var record: LogRecord
    /// Items in the log before it. Only for those in memory: behind damage nobody knows.
    var itemsBefore: UInt64 = 0
}
