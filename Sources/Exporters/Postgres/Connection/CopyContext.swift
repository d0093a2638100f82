/// Where COPY was when it failed, from the context of its error: `COPY span, line 12, column name`,
/// or the same in the language of the server's messages.
struct CopyContext: Equatable {
    /// Counted from 1.
    var row: Int?
    var column: String?

    init(_ context: String) {
        for line in context.split(separator: "\n") where line.hasPrefix("COPY ") {
            let parts = line.split(separator: ",").dropFirst()
            for part in parts {
                let words = part.split(separator: " ")
                guard words.count >= 2 else { continue }
                // A value may follow the column, after a colon.
                let word = words[1].prefix { $0 != ":" }
                if row == nil {
                    // What the server says is input: a row that cannot be is none.
                    row = Int(word).flatMap { $0 >= 1 ? $0 : nil }
                } else if column == nil, parts.count > 1 {
                    column = String(word)
                }
            }
            return
        }
    }
}
