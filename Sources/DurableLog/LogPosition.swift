/// One run of the process: a random number minted at every start. Positions of different runs never
/// mean the same record, whatever a restored backup or a lost page cache has undone.
public struct LogEpoch: Hashable, Sendable {
    public let value: UInt128

    public init(_ value: UInt128) { self.value = value }

    public static func random() -> LogEpoch { LogEpoch(.random(in: 1...UInt128.max)) }
}

extension LogEpoch: CustomStringConvertible {
    /// 32 hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }

    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 32, let value = UInt128(text, radix: 16) else { return nil }
        self.value = value
    }
}

/// Where a record stands in its log. Numbers rise by one with each record, from one run to the next
/// as well; only together with the epoch do they name a record for ever.
public struct LogPosition: Hashable, Sendable {
    public var epoch: LogEpoch
    public var number: UInt64

    public init(epoch: LogEpoch, number: UInt64) {
        self.epoch = epoch
        self.number = number
    }
}
