/// How many different things (metric series, operations) each service may have.
///
/// What counts is what was there within the last one to two periods of a day: series end with their
/// pods, and a limit that never forgot would in the end refuse all new ones. Things are kept as
/// their hashes, in two generations: one that is met again goes over to the current one, and at the
/// end of a period those that were not met are forgotten.
struct CardinalityLimit {
    /// Of a service.
    let countMax: Int
    /// Of all services together, so that memory has a limit: 16 bytes each, twice. Beyond it
    /// nothing new is admitted.
    let totalMax: Int
    /// Services with counts of their own; all others share one.
    static let servicesMax = 4096
    /// Nanoseconds.
    static let period: UInt64 = 86_400_000_000_000

    private var current: Set<UInt64> = []
    private var previous: Set<UInt64> = []
    private var services: [UInt64: Count] = [:]
    private var periodStart: UInt64 = 0

    private struct Count {
        var current = 0
        var previous = 0
    }

    init(countMax: Int, totalMax: Int) {
        self.countMax = countMax
        self.totalMax = totalMax
    }

    /// Whether the thing is within its service's limit. `now` is in Unix nanoseconds.
    mutating func admits(_ thing: UInt64, of service: UInt64, now: UInt64) -> Bool {
        advance(to: now)
        if current.contains(thing) { return true }
        let key = services[service] == nil && services.count >= Self.servicesMax ? 0 : service
        var count = services[key] ?? Count()
        if previous.remove(thing) != nil {
            count.previous = max(0, count.previous - 1)
        } else if count.current + count.previous >= countMax
            || current.count + previous.count >= totalMax
        {
            return false
        }
        current.insert(thing)
        count.current += 1
        services[key] = count
        return true
    }

    private mutating func advance(to now: UInt64) {
        // A clock that was set back begins a period too.
        guard now < periodStart || now - periodStart >= Self.period else { return }
        periodStart = now
        previous = current
        current = []
        services = services.compactMapValues { count in
            count.current == 0 ? nil : Count(current: 0, previous: count.current)
        }
    }
}
