import Configuration
import OTLP

public struct ProbabilisticSamplerSettings: Sendable {
    enum Mode: String, Sendable, CaseIterable {
        case hashSeed = "hash_seed"
        case proportional
        case equalizing
    }

    enum AttributeSource: String, Sendable, CaseIterable { case traceID, record }

    /// Single precision, as the Collector has it: the hash's threshold depends on it.
    var percentage: Float = 0
    var mode = Mode.hashSeed
    var hashSeed: UInt32 = 0
    var failClosed = true
    /// Hexadecimal digits of a threshold.
    var precision = 4
    /// For log records alone, as are the next two.
    var attributeSource = AttributeSource.traceID
    var fromAttribute = ""
    var samplingPriority = ""

    init() {}

    init(_ reader: inout MappingReader) {
        if let percentage = reader.double(
            "sampling_percentage", in: 0...Double.greatestFiniteMagnitude)
        {
            self.percentage = Float(min(percentage, 100))
            if percentage > 0, percentage / 100 < SamplingThreshold.probabilityMin {
                reader.error(at: "sampling_percentage", "is below 2^-56, the smallest there is")
            }
        } else {
            reader.warning("without sampling_percentage nothing is kept but what has a priority")
        }
        // The Collector's default too, and what "" says there.
        if reader.isGiven("mode") { mode = reader.oneOf("mode", default: mode) }
        let seed = reader.int("hash_seed", default: 0, in: 0...Int.max)
        hashSeed = UInt32(truncatingIfNeeded: seed)
        if hashSeed != seed {
            reader.warning(
                at: "hash_seed", "has 32 bits, and is taken for \(hashSeed), as in the Collector")
        }
        failClosed = reader.bool("fail_closed", default: failClosed)
        precision = reader.int(
            "sampling_precision", default: precision, in: 1...SamplingThreshold.digitsMax)
        if reader.isGiven("attribute_source") {
            attributeSource = reader.oneOf("attribute_source", default: attributeSource)
        }
        fromAttribute = reader.string("from_attribute", default: "")
        samplingPriority = reader.string("sampling_priority", default: "")
        if attributeSource == .record, fromAttribute.isEmpty {
            reader.warning(
                at: "attribute_source",
                mode == .hashSeed
                    ? "is record without from_attribute, so fail_closed decides about every record"
                    : "is record, which this mode does not use")
        }
    }
}
