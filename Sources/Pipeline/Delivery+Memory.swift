import Platform
import Synchronization

extension Delivery {
    /// More than lots of several requests have, and hardly any single one.
    private static let usualBytesMax = 2 << 20

    /// Whether the kernel might end the process for what this takes.
    func isLarge(_ lot: Lot, _ work: Int) -> Bool {
        lot.byteCount > Self.usualBytesMax || work > DeliveryMemory.usualBytesMax
    }

    /// One call, in the memory that it may take.
    func export(_ lot: inout Lot, _ work: Int) -> ExportOutcome {
        guard work > 0 else { return exporter.export(lot) }
        lot.workBytesMax = work / 2
        // One usual call is always under way: others, that wait for their destinations, must not
        // hold up this exporter.
        let isFirst =
            work <= DeliveryMemory.usualBytesMax
            && !hasFreeCall.exchange(true, ordering: .acquiring)
        defer { if isFirst { hasFreeCall.store(false, ordering: .releasing) } }
        if isFirst { return exporter.export(lot) }
        let toExport = lot
        return safety.memory.with(work) { exporter.export(toExport) }
    }
}
