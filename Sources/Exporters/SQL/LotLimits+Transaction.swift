import Configuration
import Pipeline

extension LotLimits {
    /// The keys of `transaction`: what one transaction of a database gets.
    mutating func readTransaction(_ reader: inout MappingReader) {
        itemsMax = reader.int("max_rows", default: itemsMax, in: 1...1_000_000)
        bytesMax = reader.bytes("max_bytes", default: bytesMax, in: (64 << 10)...(1 << 30))
        waitMax = reader.duration(
            "max_wait", default: waitMax, in: .zero...Duration.seconds(60))
        // Half of what fits is worth a commit.
        itemsMin = itemsMax / 2
    }
}
