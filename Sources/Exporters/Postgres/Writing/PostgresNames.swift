import Pipeline

/// What an exporter is called in SQL.
struct PostgresNames: Sendable {
    /// Quoted.
    let schema: String
    /// The name of the exporter's cursors, which a renamed exporter keeps.
    let exporter: String
    /// 32 hexadecimal digits: which gateway it is.
    let directoryID: String
    /// For people: which process on which machine.
    let gateway: String

    var exporterLiteral: String { Self.literal(exporter) }
    var gatewayLiteral: String { Self.literal(gateway) }

    /// An identifier in double quotes.
    static func identifier(_ name: String) -> String { "\"" + doubled("\"", in: name) + "\"" }

    /// A text in single quotes, whatever `standard_conforming_strings` says.
    static func literal(_ text: String) -> String {
        let quoted = "'" + doubled("\\", in: doubled("'", in: text)) + "'"
        return text.utf8.contains(UInt8(ascii: "\\")) ? "E" + quoted : quoted
    }

    private static func doubled(_ character: Character, in text: String) -> String {
        String(text.flatMap { $0 == character ? [character, character] : [$0] })
    }

    /// Statements that put ranges into the ledger, in place of those that they have swallowed.
    ///
    /// Two sessions may join neighbours of the same range at once: what one deletes is gone for the
    /// other, and rows that overlap say the same twice. Only a row that is wholly within the new
    /// range is deleted, or one session would take what the other has just added.
    func ledgerSQL(_ entries: [PostgresLedger.Entry]) -> String {
        entries.map { entry in
            let key = "\(exporterLiteral), \(Self.literal(entry.key.log)), '\(entry.key.epoch)'"
            let from = Self.row(entry.range.lowerBound)
            let to = Self.row(entry.range.upperBound)
            return """
                DELETE FROM \(schema).ingested
                  WHERE (exporter, log, epoch) = (\(key))
                  AND (from_position, from_item) >= (\(from))
                  AND (to_position, to_item) <= (\(to));
                INSERT INTO \(schema).ingested AS i (exporter, log, epoch, from_position, from_item,
                    to_position, to_item, writer)
                  VALUES (\(key), \(from), \(to), '\(directoryID)')
                  ON CONFLICT (exporter, log, epoch, from_position, from_item) DO UPDATE
                  SET to_position = excluded.to_position, to_item = excluded.to_item
                  WHERE (i.to_position, i.to_item) < (excluded.to_position, excluded.to_item);

                """
        }.joined()
    }

    private static func row(_ point: ItemPoint) -> String {
        "\(Int64(bitPattern: point.record)), \(point.item)"
    }
}
