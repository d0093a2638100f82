/// The tables and views, and how an older file comes to have them.
///
/// `PRAGMA user_version` is the number of migrations that a file has been through; the table
/// `migration` says when. A file that a newer Sluice has migrated further is refused.
enum SQLiteSchema {
    /// "Slce": tells our files from other programs' databases.
    static let applicationID: Int64 = 0x536C_6365

    /// Never edited once released: what a later version needs is appended. The views are those of
    /// the newest version, made by its migration alone.
    static let migrations = [tables, ledger, sampling, identity + views]

    enum Failure: Error, CustomStringConvertible {
        case foreign
        case tooNew(version: Int64)
        case database(SQLiteError)

        var description: String {
            switch self {
            case .foreign: "is a database of another program; give a path of its own"
            case .tooNew(let version):
                """
                has schema version \(version), and this Sluice knows versions up to \
                \(migrations.count); use the newer Sluice, or give another path
                """
            case .database(let error): "cannot be used: \(error)"
            }
        }
    }

    /// Brings a file to the current version, in one transaction.
    /// - Parameter now: nanoseconds since 1970.
    static func migrate(_ connection: SQLiteConnection, now: Int64) throws(Failure) {
        try database { () throws(SQLiteError) in
            try connection.execute("BEGIN IMMEDIATE", "begin a migration")
        }
        do throws(Failure) {
            // Again: another process may have migrated it meanwhile.
            let version = try check(connection)
            try database { () throws(SQLiteError) in
                try apply(migrations.dropFirst(Int(version)), to: connection, now: now)
            }
        } catch {
            // The error that ended the migration says more than one of the rollback's.
            try? connection.execute("ROLLBACK", "roll back a migration")
            throw error
        }
    }

    /// Refuses a file that is not ours to change, before anything is changed in it.
    /// - Returns: its version; 0 for an empty file.
    @discardableResult
    static func check(_ connection: SQLiteConnection) throws(Failure) -> Int64 {
        let version = try integer(connection, "PRAGMA user_version")
        let owner = try integer(connection, "PRAGMA application_id")
        let tableCount = try integer(connection, "SELECT count(*) FROM sqlite_schema")
        if owner != applicationID, version != 0 || tableCount != 0 { throw .foreign }
        if version > Int64(migrations.count) { throw .tooNew(version: version) }
        return version
    }

    private static func integer(
        _ connection: SQLiteConnection, _ sql: String
    ) throws(Failure) -> Int64 {
        try database { () throws(SQLiteError) in try connection.integer(sql, "read the version") }
    }

    private static func apply(
        _ pending: ArraySlice<String>, to connection: SQLiteConnection, now: Int64
    ) throws(SQLiteError) {
        for (index, migration) in zip(pending.indices, pending) {
            try connection.execute(migration, "migrate to version \(index + 1)")
            try connection.execute(
                "INSERT INTO migration VALUES (\(index + 1), \(now))", "note a migration")
        }
        try connection.execute(
            """
            PRAGMA application_id = \(applicationID);
            PRAGMA user_version = \(migrations.count);
            COMMIT
            """, "commit a migration")
    }

    /// Lifts a database's error to a failure.
    static func database<Result>(
        _ body: () throws(SQLiteError) -> Result
    ) throws(Failure) -> Result {
        do throws(SQLiteError) { return try body() } catch { throw .database(error) }
    }
}
