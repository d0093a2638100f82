import DurableLog

extension ExportQueue.Outstanding {
    var reservedSum: Backlog { reserved.values.reduce(Backlog(), +) }
    var sum: Backlog { cursors.reduce(reservedSum) { $0 + $1.cursor.pending } }
}

extension ExportQueue.Arrivals {
    var hasEnough: Bool { items >= wantedItems && bytes >= wantedBytes }
}
