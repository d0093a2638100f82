/// What a step of the upkeep has dropped, as it says in its outcome:
///
///     TABLE: COUNT rows purged
///     TABLE: COUNT partitions dropped, NAME
///     TABLE: COUNT chunks dropped
struct UpkeepDrop: Equatable {
    enum What: String {
        case rows
        /// Days: partitions or chunks.
        case partitions
    }

    let table: String
    let count: Int
    let what: What

    /// Nil for an outcome of another kind.
    init?(_ outcome: String) {
        let parts = outcome.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let words = parts[1].split { $0 == " " || $0 == "," }
        guard words.count >= 3, let count = Int(words[0]) else { return nil }
        switch (words[1], words[2]) {
        case ("rows", "purged"): what = .rows
        case ("partitions", "dropped"), ("chunks", "dropped"): what = .partitions
        default: return nil
        }
        table = String(parts[0])
        self.count = count
    }
}
