/// The pauses between attempts: they grow by a factor up to a ceiling, each spread at random, so
/// that clients that failed together do not come back together. None is below `pauseMin`.
struct Backoff {
    private let settings: RetrySettings
    private var interval: Duration

    init(_ settings: RetrySettings) {
        self.settings = settings
        interval = max(settings.initialInterval, settings.pauseMin)
    }

    /// The next pause: the interval ± `randomization_factor` of it.
    mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let spread = settings.randomizationFactor
        let factor =
            spread > 0 ? Double.random(in: (1 - spread)...(1 + spread), using: &random) : 1
        let pause = max(interval * factor, settings.pauseMin)
        interval = max(min(interval * settings.multiplier, settings.maxInterval), settings.pauseMin)
        return pause
    }
}
