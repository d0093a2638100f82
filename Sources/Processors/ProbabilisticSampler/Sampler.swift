import OTLP

/// How the threshold for an item is found: the three modes, and what a percentage of 0 makes them.
enum Sampler: Sendable {
    case never
    /// `hash_seed`
    case hashing(SamplingThreshold)
    /// `equalizing`: no item passes with more than this probability in all.
    case equalizing(SamplingThreshold)
    /// `proportional`: of what arrives, this share passes.
    case proportional(ratio: Double, precision: Int)

    init(_ settings: ProbabilisticSamplerSettings) {
        let percentage = min(settings.percentage, 100)
        guard percentage > 0 else {
            self = .never
            return
        }
        let ratio = max(Double(percentage) / 100, SamplingThreshold.probabilityMin)
        switch settings.mode {
        case .hashSeed:
            self = SamplingHash.threshold(percentage: percentage).map { .hashing($0) } ?? .never
        case .equalizing:
            let threshold = SamplingThreshold(
                probability: ratio, precision: settings.precision)
            self = threshold.map { .equalizing($0) } ?? .never
        case .proportional:
            self = .proportional(ratio: ratio, precision: settings.precision)
        }
    }

    func threshold(arriving: SamplingThreshold?) -> SamplingThreshold {
        switch self {
        case .never: .never
        case .hashing(let threshold): threshold
        case .equalizing(let threshold): max(threshold, arriving ?? .always)
        case .proportional(let ratio, let precision):
            // Below the smallest probability there is nothing left to keep.
            SamplingThreshold(
                probability: (arriving?.probability ?? 1) * ratio, precision: precision) ?? .never
        }
    }
}

/// What the metrics call the source of a decision.
enum SamplingPolicy: Int, CaseIterable, Sendable {
    case traceIDHash, traceIDW3C, samplingRandomness, samplingPriority, missingRandomness
    /// Called by the attribute's own name.
    case attribute

    func name(attribute: String) -> String {
        switch self {
        case .traceIDHash: "trace_id_hash"
        case .traceIDW3C: "trace_id_w3c"
        case .samplingRandomness: "sampling_randomness"
        case .samplingPriority: "sampling_priority"
        case .missingRandomness: "missing_randomness"
        case .attribute: attribute
        }
    }
}

/// What an item brings to its decision.
struct SamplingDraw {
    /// nil where there is nothing random about it.
    var randomness: SamplingRandomness?
    var policy = SamplingPolicy.missingRandomness
    /// Of an earlier sampler.
    var arriving: SamplingThreshold?
    /// Whether it carries sampling information that can be read and may be changed.
    var isWritable = true
    /// Whether the decision cannot be made from it, so that `fail_closed` makes it.
    var isFaulty = false

    /// The threshold, before priorities have their say.
    mutating func decide(_ sampler: Sampler, failClosed: Bool) -> SamplingThreshold {
        if !isFaulty {
            if let randomness {
                if let arriving, !arriving.keeps(randomness) {
                    // It should not have got here: what it claims is not true, and is taken away.
                    self.arriving = nil
                    isFaulty = true
                }
            } else {
                isFaulty = true
            }
        }
        guard isFaulty else { return sampler.threshold(arriving: arriving) }
        return failClosed ? .never : .always
    }

    func isKept(by threshold: SamplingThreshold) -> Bool {
        threshold.keeps(randomness ?? .highest)
    }

    /// What a kept item says from now on: a probability may fall, never rise.
    func outgoing(_ threshold: SamplingThreshold) -> SamplingThreshold {
        max(threshold, arriving ?? .always)
    }
}
