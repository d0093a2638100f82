internal import Bytes
internal import CShims
internal import Glibc
internal import Synchronization

/// Tells the next process which records this one was handling when one of them ended it.
///
/// A thread notes in its slot what it is about to handle. The slots are in memory. When a thread
/// faults or aborts, a signal handler writes its slot to a file that was made for that beforehand,
/// and then lets happen what would have happened without it. So a slot that is merely busy when
/// somebody kills the process leaves nothing behind, and notes cost no system call. The file is not
/// mapped: a full disk under a mapping would itself be a fault.
///
/// No handler runs when the kernel kills a process for its memory. Records that may take much of it
/// are therefore written to the file before the work begins, and cleared when it ends.
///
/// The file, all integers little-endian:
///
///     offset  bytes
///     0       8      "SLUICECM"
///     8       4      version, 1
///     12      4      number of slots
///     16      48     zero
///     64      64 × slots
///
///     a slot
///     0       4      0: nothing happened; 1: its records were under way, and may take much memory;
///                    2: its thread ended the process
///     4       4      the signal's number
///     8       4      the thread's id
///     12      4      zero
///     16      8      log
///     24      16     epoch, the high half first
///     40      8      position of the first record
///     48      8      position of the last record
///     56      8      zero
///
/// A file of another form is of no use, and says that nothing happened.
@safe public final class CrashMark: @unchecked Sendable {
    // SAFETY: `table` never changes; a slot is written only by the thread that took it, and read by
    // the signal handler on that thread; what the handler reads of others is atomic.

    /// What ended the previous process.
    public struct Crash: Hashable, Sendable {
        /// Its number. `SIGKILL`: nothing is known but that these records were under way.
        public var signal: Int32
        public var records: RecordRange
        /// From outside, or by the kernel for its memory.
        public var wasKilled: Bool { signal == SIGKILL }

        public init(signal: Int32, records: RecordRange) {
            self.signal = signal
            self.records = records
        }
    }

    /// Threads beyond so many leave no mark.
    public static let slotsMax = 1024

    private static let headerBytes = 64
    private static let slotBytes = 64
    private static let magic = Array("SLUICECM".utf8)
    private static let version: UInt32 = 1
    /// For the handler's frame, and the registers that the kernel saves: 11 KiB with AMX.
    private static let signalStackBytes = 64 << 10

    private let file: FileDescriptor
    private let table: sluice_crash_table
    private let isTaken: Mutex<[Bool]>

    /// The crashes that the process before this one left; none when there is no file.
    ///
    /// Read and keep them before making a `CrashMark` there, which clears the file.
    public static func crashes(at path: String) throws(SystemError) -> [Crash] {
        do throws(SystemError) {
            let bytesMax = headerBytes + slotsMax * slotBytes
            return crashes(in: try FileSystem.read(path, bytesMax: bytesMax))
        } catch {
            if error.errno == ENOENT || error.errno == EFBIG { return [] }
            throw error
        }
    }

    /// - Parameter slots: threads that may handle records at once.
    public init(path: String, slots: Int = CrashMark.slotsMax) throws(SystemError) {
        precondition((1...Self.slotsMax).contains(slots), "BUG: too many slots, or none")
        file = try FileDescriptor(opening: path, .readWrite, creating: .orTruncate)
        // Written now, so that a full disk fails here and not in the handler.
        try file.writeAll(Self.empty(slots: slots).rawSpan)
        try file.synchronize()
        try FileSystem.synchronizeDirectory(FileSystem.parent(of: path))
        let memory = UnsafeMutablePointer<sluice_crash_slot>.allocate(capacity: slots)
        unsafe memory.initialize(repeating: sluice_crash_slot(), count: slots)
        unsafe table = sluice_crash_table(
            slots: memory, slot_count: UInt32(slots), file: file.rawValue,
            header_bytes: UInt32(Self.headerBytes))
        isTaken = Mutex(Array(repeating: false, count: slots))
    }

    deinit { unsafe table.slots.deallocate() }

    /// From now on crashes leave their mark here. Once a process; handlers that are there already
    /// run after this one.
    public func install() throws(SystemError) {
        // SAFETY: the handler uses the table, its slots and its file until the process ends; the
        // reference that is never released keeps them.
        _ = unsafe Unmanaged.passRetained(self)
        try systemCall("sigaction") { unsafe sluice_install_crash_handler(table) }
    }

    /// Gives the calling thread a slot for the time of `body`: usually for all that it does. The
    /// mark of a stack that has overflowed needs it as well.
    public func withSlot<Result, Failure: Error>(
        _ body: (borrowing CrashSlot) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let index = isTaken.withLock { isTaken in
            let index = isTaken.firstIndex(of: false)
            if let index { isTaken[index] = true }
            return index
        }
        guard let index else { return try body(CrashSlot()) }
        // SAFETY: the index is within the slots, and the slot is this thread's until it is given
        // back; the stack is dropped by the thread that got it, after everything that ran on it.
        let slot = unsafe table.slots + index
        unsafe sluice_slot_give(slot, sluice_thread_id())
        let stack = unsafe sluice_make_signal_stack(Self.signalStackBytes)
        defer {
            if let stack = unsafe stack {
                unsafe sluice_drop_signal_stack(stack, Self.signalStackBytes)
            }
            unsafe sluice_slot_end(slot)
            unsafe sluice_slot_give(slot, 0)
            isTaken.withLock { $0[index] = false }
        }
        return try unsafe body(
            CrashSlot(
                slot, file: file.rawValue,
                offset: Int64(Self.headerBytes + index * Self.slotBytes)))
    }

    /// What the handler does on the thread that faulted. `false` when it was handling no record.
    func recordCrash(signal: Int32) -> Bool {
        // SAFETY: the table and what it refers to live as long as this object.
        unsafe withUnsafePointer(to: table) { unsafe sluice_crash_record($0, signal) } != 0
    }

    static func crashes(in bytes: [UInt8]) -> [Crash] {
        let span = bytes.rawSpan
        guard bytes.starts(with: magic), bytes.count >= headerBytes,
            span.littleEndian32(at: 8) == version
        else { return [] }
        // A file that was cut short has fewer slots than it says.
        let slots = min(Int(span.littleEndian32(at: 12)), (bytes.count - headerBytes) / slotBytes)
        let all = (0..<slots).compactMap { index -> Crash? in
            let start = headerBytes + index * slotBytes
            let (first, last) = (
                span.littleEndian64(at: start + 40), span.littleEndian64(at: start + 48)
            )
            let state = Int(span.littleEndian32(at: start))
            guard state == SLUICE_SLOT_CRASHED || state == SLUICE_SLOT_BUSY, first <= last
            else { return nil }
            let epoch = (
                high: span.littleEndian64(at: start + 24), low: span.littleEndian64(at: start + 32)
            )
            return Crash(
                signal: state == SLUICE_SLOT_BUSY
                    ? SIGKILL : Int32(bitPattern: span.littleEndian32(at: start + 4)),
                records: RecordRange(
                    log: span.littleEndian64(at: start + 16), epoch: epoch, first: first,
                    last: last))
        }
        // Where a thread is known to have ended the process, others are not at fault.
        let crashed = all.filter { !$0.wasKilled }
        return crashed.isEmpty ? all : crashed
    }

    private static func empty(slots: Int) -> [UInt8] {
        var bytes = magic
        for number in [version, UInt32(slots)] {
            for shift in [0, 8, 16, 24] as [UInt32] {
                bytes.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        let size = headerBytes + slots * slotBytes
        return bytes + Array(repeating: 0, count: size - bytes.count)
    }
}

/// Where one thread notes which records it is about to handle. It stays on that thread.
@safe public struct CrashSlot: ~Copyable {
    // SAFETY: valid during `CrashMark.withSlot`, which alone makes one and lends it to its body.
    private let slot: UnsafeMutablePointer<sluice_crash_slot>?
    private let file: Int32
    private let offset: Int64

    fileprivate init(
        _ slot: UnsafeMutablePointer<sluice_crash_slot>, file: Int32, offset: Int64
    ) {
        unsafe self.slot = slot
        self.file = file
        self.offset = offset
    }

    /// Leaves no mark.
    public init() {
        unsafe slot = nil
        file = -1
        offset = 0
    }

    /// If the thread faults or aborts before `clear`, one of these records is at fault.
    ///
    /// - Parameter isLarge: they may take so much memory that the kernel kills the process, which
    ///   no handler sees. Costs a system call here and in `clear`.
    public borrowing func note(_ records: RecordRange, isLarge: Bool = false) {
        guard let slot = unsafe slot else { return }
        unsafe sluice_slot_begin(
            slot, records.log, records.epochHigh, records.epochLow, records.first, records.last)
        if isLarge { unsafe sluice_slot_write(slot, file, offset) }
    }

    public borrowing func clear() {
        guard let slot = unsafe slot else { return }
        unsafe sluice_slot_end(slot)
        if unsafe slot.pointee.is_written != 0 { unsafe sluice_slot_write(slot, file, offset) }
    }
}
