internal import Glibc

/// Time since the machine's start, suspended time included, with which start it was: for ages that
/// outlive the process and that no change of the wall clock moves.
public struct BootTime: Equatable, Sendable {
    /// The kernel's random id of this boot; 0 where it can't be read.
    public var id: UInt128
    public var nanoseconds: UInt64

    public init(id: UInt128, nanoseconds: UInt64) {
        self.id = id
        self.nanoseconds = nanoseconds
    }

    public static var now: BootTime {
        BootTime(id: currentID, nanoseconds: readClock(CLOCK_BOOTTIME))
    }

    private static let currentID: UInt128 = {
        guard let text = try? FileSystem.read("/proc/sys/kernel/random/boot_id", bytesMax: 64)
        else { return 0 }
        let digits = text.filter { $0 != UInt8(ascii: "-") && $0 > UInt8(ascii: " ") }
        return UInt128(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
    }()
}
