import PostgresSchema
import Testing

@Suite struct PostgresSchemaTests {
    @Test func `migrations are numbered from 1 without gaps`() {
        let versions = PostgresSchema.migrations.map(\.version)
        #expect(versions == Array(1...versions.count))
        for migration in PostgresSchema.migrations {
            #expect((1...migration.version).contains(migration.oldestWriter))
        }
    }

    @Test func `the schema's name stands in quotes wherever the mark was`() {
        let sql = PostgresSchema.migrations.map(\.sql) + PostgresSchema.repeatables.map(\.sql)
        for text in sql {
            let written = PostgresSchema.sql(text, schema: "telemetry")
            #expect(written.contains(#""telemetry"#))
            #expect(!written.contains("@schema@"))
            #expect(!written.contains("@internal@"))
            #expect(!written.contains("otel."))
        }
        #expect(
            PostgresSchema.sql("SELECT @schema@.f('@schema@')", schema: "a_1")
                == #"SELECT "a_1".f('"a_1"')"#)
        #expect(PostgresSchema.sql("@internal@.@a@", schema: "a") == #""a_internal".@a@"#)
        #expect(PostgresSchema.sql("@internal@.f", schema: "a", internal: "a") == #""a".f"#)
    }

    @Test func `the other schema has a name of its own, however long the first is`() {
        let names = (1...63).flatMap { count in
            let name = String(repeating: "a", count: count)
            return [name, PostgresSchema.internalSchema(of: name)]
        }
        #expect(names.allSatisfy { PostgresSchema.accepts(schema: $0) })
        #expect(Set(names).count == names.count)
    }

    @Test(arguments: [
        ("otel", true), ("Telemetry_2", true), ("_x", true), ("", false), ("1st", false),
        ("o'tel", false), ("o\"tel", false), ("o tel", false), ("pg_otel", false),
        ("information_schema", false), ("ötel", false), (String(repeating: "a", count: 63), true),
        (String(repeating: "a", count: 64), false),
    ])
    func `a schema's name is plain`(name: String, isAccepted: Bool) {
        #expect(PostgresSchema.accepts(schema: name) == isAccepted)
    }
}
