import Bytes
import OTLP
import Pipeline
import Platform

@testable import Exporters

/// Reads tuples of COPY BINARY as PostgreSQL's documentation has them, independent of the code that
/// writes them.
struct CopyReader {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Fields as bytes, nil for NULL.
    static func tuples(_ bytes: [UInt8]) -> [[[UInt8]?]] {
        var reader = CopyReader(bytes)
        var tuples: [[[UInt8]?]] = []
        while reader.offset < bytes.count {
            tuples.append((0..<reader.integer(2)).map { _ in reader.field() })
        }
        return tuples
    }

    /// The elements of an array of one dimension, and the OID of their type.
    static func array(_ bytes: [UInt8]) -> (type: Int, elements: [[UInt8]?]) {
        var reader = CopyReader(bytes)
        let dimensions = reader.integer(4)
        _ = reader.integer(4)
        let type = reader.integer(4)
        guard dimensions == 1 else {
            precondition(dimensions == 0 && reader.offset == bytes.count)
            return (type, [])
        }
        let count = reader.integer(4)
        precondition(reader.integer(4) == 1)
        let elements = (0..<count).map { _ in reader.field() }
        precondition(reader.offset == bytes.count)
        return (type, elements)
    }

    /// A signed integer, most significant byte first.
    static func integer(_ bytes: [UInt8]) -> Int {
        var reader = CopyReader(bytes)
        return reader.integer(bytes.count)
    }

    private mutating func field() -> [UInt8]? {
        let count = integer(4)
        guard count >= 0 else { return nil }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    private mutating func integer(_ count: Int) -> Int {
        var value = bytes[offset] >= 0x80 ? -1 : 0
        for byte in bytes[offset..<offset + count] { value = value << 8 | Int(byte) }
        offset += count
        return value
    }
}

/// One row, its fields by the names of their columns.
struct CopyRow {
    private let fields: [String: [UInt8]?]

    init(_ columns: [String], _ tuple: [[UInt8]?]) {
        precondition(columns.count == tuple.count, "\(tuple.count) fields for \(columns.count)")
        fields = Dictionary(uniqueKeysWithValues: zip(columns, tuple))
    }

    /// Nil for NULL.
    subscript(_ column: String) -> [UInt8]? {
        guard let field = fields[column] else { fatalError("no column \(column)") }
        return field
    }

    var columns: [String] { Array(fields.keys) }

    func int(_ column: String) -> Int? { self[column].map(CopyReader.integer) }

    func double(_ column: String) -> Double? {
        int(column).map { Double(bitPattern: UInt64(bitPattern: Int64($0))) }
    }

    func text(_ column: String) -> String? {
        self[column].map { String(decoding: $0, as: UTF8.self) }
    }

    /// Without the version that stands before the text.
    func json(_ column: String) -> String? {
        self[column].map { field in
            precondition(field[0] == 1)
            return String(decoding: field.dropFirst(), as: UTF8.self)
        }
    }

    func hex(_ column: String) -> String? {
        self[column].map { $0.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined() }
    }

    /// Unix nanoseconds, of a `timestamptz` and the column of what is below microseconds.
    func time(_ column: String, _ rest: String) -> UInt64? {
        guard let microseconds = int(column), let nanoseconds = int(rest) else { return nil }
        return UInt64(microseconds + 946_684_800_000_000) * 1000 + UInt64(nanoseconds)
    }

    func integers(_ column: String) -> [Int?]? {
        self[column].map { field in
            let (type, elements) = CopyReader.array(field)
            precondition(type == 20)
            return elements.map { $0.map(CopyReader.integer) }
        }
    }

    func doubles(_ column: String) -> [Double]? {
        self[column].map { field in
            let (type, elements) = CopyReader.array(field)
            precondition(type == 701)
            return elements.map {
                Double(bitPattern: UInt64(bitPattern: Int64(CopyReader.integer($0!))))
            }
        }
    }

    /// A `numeric` that is a whole number.
    func numeric(_ column: String) -> UInt64? {
        self[column].map { field in
            let words = stride(from: 0, to: field.count, by: 2).map {
                CopyReader.integer(Array(field[$0..<$0 + 2]))
            }
            precondition(words.count == 4 + words[0] && words[2] == 0 && words[3] == 0)
            precondition(words[1] == max(0, words[0] - 1))
            return words.dropFirst(4).reduce(0) { $0 * 10_000 + UInt64($1) }
        }
    }
}

/// An encoder with what it shares, and the rows that come out of it.
struct RowTesting: ~Copyable {
    static let now: UInt64 = 1_700_000_100_000_000_000

    let known = KnownRows()
    let cardinality: Cardinality
    var encoder: RowEncoder

    init(
        seriesPerService: Int = 100_000, operationsPerService: Int = 1_000,
        window: TimeWindow = TimeWindow(), rowBytesMax: Int = FactRows.rowBytesMax
    ) {
        cardinality = Cardinality(
            seriesPerService: seriesPerService, operationsPerService: operationsPerService)
        encoder = RowEncoder(
            known: known, cardinality: cardinality, window: window, rowBytesMax: rowBytesMax)
        encoder.removeAll(now: Self.now)
    }

    borrowing func rows(_ table: FactTable) -> [CopyRow] {
        let tuples = encoder.tuples(of: table)
        let bytes = tuples.array(ByteRange(start: 0, end: tuples.byteCount))
        return CopyReader.tuples(bytes).map { CopyRow(table.columns, $0) }
    }

    borrowing func dictionary(_ table: DictionaryTable) -> [CopyRow] {
        guard let insert = encoder.dictionaryInserts().first(where: { $0.table == table }) else {
            return []
        }
        let columns = zip(insert.parameters, table.columns).map { parameter, column in
            let (type, elements) = CopyReader.array(parameter)
            precondition(type == Int(column.type.oid))
            return elements
        }
        return insert.ids.indices.map { row in
            CopyRow(table.columns.map(\.name), columns.map { $0[row] })
        }
    }

    /// What the exporter does after the commit of the dictionaries' rows.
    borrowing func commitDictionaries(at now: UInt64 = now) {
        for insert in encoder.dictionaryInserts() { known.add(insert.ids, now: Int64(now)) }
    }

    /// The only row that the batch makes.
    static func row(_ table: FactTable, _ batch: QueuedBatch) -> CopyRow {
        var testing = RowTesting()
        testing.encoder.append(batch)
        let rows = testing.rows(table)
        precondition(rows.count == 1)
        return rows[0]
    }
}
