import OTLP
import Pipeline
import Testing

@testable import Exporters

@Suite struct RowEncoderTests {
    private static func gauges(_ values: [String], service: String = "checkout") -> QueuedBatch {
        Payload.batch(.metrics, service: service, itemCount: values.count) { scope in
            scope.message(2) { metric in
                metric.string(1, "m")
                metric.message(5) { gauge in
                    for value in values {
                        gauge.message(1) { point in
                            point.fixed64(3, RowTesting.now)
                            point.fixed64(6, 1)
                            point.message(7) { $0.attribute("key") { $0.string(1, value) } }
                        }
                    }
                }
            }
        }
    }

    private static func spans(_ names: [String], service: String = "checkout") -> QueuedBatch {
        Payload.batch(.traces, service: service, itemCount: names.count) { scope in
            for (number, name) in names.enumerated() {
                scope.message(2) { span in
                    span.identifier(1, 0, 1)
                    span.identifier(2, UInt64(number + 1))
                    span.string(5, name)
                    span.fixed64(7, RowTesting.now)
                }
            }
        }
    }

    @Test func `A row's number leads to its item`() {
        var testing = RowTesting()
        testing.encoder.append(Payload.spans(5))
        testing.encoder.append(Payload.spans(10), items: 2..<9, except: [0, 3, 4, 8, 9])
        testing.encoder.append(Payload.spans(3))
        let items = (0..<14).map { testing.encoder.item(ofRow: $0, in: .span) }
        let expected =
            [nil] + (0..<5).map { RowItem(batch: 0, item: $0) }
            + [2, 5, 6, 7].map { RowItem(batch: 1, item: $0) }
            + (0..<3).map { RowItem(batch: 2, item: $0) } + [nil]
        #expect(items == expected)
        let ids = testing.rows(.span).map { $0.int("span_id")! - 1 }
        #expect(ids == expected.compactMap { $0?.item })
    }

    @Test func `An item that is larger than a row can be has none, and is named`() {
        var testing = RowTesting(rowBytesMax: 1_000)
        testing.encoder.append(
            Payload.batch(.logs, itemCount: 3) { scope in
                for size in [10, 1_000, 20] {
                    let text = String(repeating: "x", count: size)
                    scope.message(2) { $0.message(5) { $0.string(1, text) } }
                }
            })
        #expect(testing.encoder.oversized == [RowItem(batch: 0, item: 1)])
        #expect(testing.rows(.log).map { $0.text("body")!.count } == [10, 20])
        #expect(testing.encoder.item(ofRow: 2, in: .log) == RowItem(batch: 0, item: 2))
    }

    @Test func `Each kind of point has its table, and its rows their own numbers`() {
        var testing = RowTesting()
        testing.encoder.append(
            Payload.batch(.metrics, itemCount: 5) { scope in
                for (field, count) in [(5, 2), (9, 1), (7, 1), (11, 1)] {
                    scope.message(2) { metric in
                        metric.message(field) { data in
                            for _ in 0..<count { data.message(1) { _ in } }
                        }
                    }
                }
            })
        func items(_ table: FactTable) -> [Int?] {
            (0..<testing.encoder.rowCount(of: table)).map {
                testing.encoder.item(ofRow: $0 + 1, in: table)?.item
            }
        }
        #expect(items(.metricNumber) == [0, 1, 3])
        #expect(items(.metricHistogram) == [2])
        #expect(items(.metricSummary) == [4])
        #expect(items(.metricExponentialHistogram) == [])
    }

    @Test func `Every table's tuples have as many fields as it has columns`() {
        // `CopyRow` refuses any other number; here each table has a row.
        var testing = RowTesting()
        testing.encoder.append(Payload.spans(1))
        testing.encoder.append(Payload.batch(.logs) { $0.message(2) { _ in } })
        for field in [5, 7, 9, 10, 11] {
            testing.encoder.append(
                Payload.batch(.metrics) { scope in
                    scope.message(2) { $0.message(field) { $0.message(1) { _ in } } }
                })
        }
        for table in FactTable.allCases { #expect(!testing.rows(table).isEmpty) }
        for table in DictionaryTable.allCases { #expect(!testing.dictionary(table).isEmpty) }
    }

    @Test func `A resource and a scope are rows until they are known`() throws {
        var testing = RowTesting()
        let batch = Payload.wholeResource()
        testing.encoder.append(batch)
        testing.encoder.append(batch)
        let resource = testing.dictionary(.resource)
        #expect(resource.count == 1)
        #expect(resource[0].text("service_name") == "shop")
        #expect(resource[0].text("service_namespace") == "eu")
        #expect(resource[0].text("service_instance_id") == "i-1")
        #expect(resource[0].text("schema_url") == "https://example.com/resource")
        #expect(resource[0].int("dropped_attributes") == 9)
        #expect(
            resource[0].json("attributes")
                == #"{"service.name":"shop","service.namespace":"eu","service.instance.id":"i-1"}"#)
        #expect(
            resource[0].json("entity_refs") == """
                [{"type":"service","id_keys":["service.name"],\
                "description_keys":["service.version"],"schema_url":"https://example.com/entity"}]
                """)
        let scope = testing.dictionary(.scope)
        #expect(scope.count == 1)
        #expect(scope[0].text("name") == "library")
        #expect(scope[0].text("version") == "1.2.3")
        #expect(scope[0].text("schema_url") == "https://example.com/scope")
        #expect(scope[0].int("dropped_attributes") == 4)
        #expect(scope[0].json("attributes") == #"{"scope.kind":"test"}"#)

        // A lot whose dictionaries were not committed has them again.
        testing.encoder.removeAll(now: RowTesting.now)
        testing.encoder.append(batch)
        #expect(testing.encoder.dictionaryInserts().map(\.ids.count) == [1, 1])
        testing.commitDictionaries()
        testing.encoder.removeAll(now: RowTesting.now)
        testing.encoder.append(batch)
        #expect(testing.encoder.dictionaryInserts().isEmpty)
    }

    @Test func `A row that is an hour old, or forgotten, is written again`() {
        var testing = RowTesting()
        testing.encoder.append(Payload.spans(1))
        testing.commitDictionaries()
        let hour: UInt64 = 3_600_000_000_000
        testing.encoder.removeAll(now: RowTesting.now + hour - 1)
        testing.encoder.append(Payload.spans(1))
        #expect(testing.encoder.dictionaryInserts().isEmpty)
        testing.encoder.removeAll(now: RowTesting.now + 2 * hour)
        testing.encoder.append(Payload.spans(1))
        #expect(testing.encoder.dictionaryInserts().count == 2)
        testing.commitDictionaries(at: RowTesting.now + 2 * hour)
        testing.known.removeAll()
        testing.encoder.removeAll(now: RowTesting.now + 2 * hour)
        testing.encoder.append(Payload.spans(1))
        #expect(testing.encoder.dictionaryInserts().count == 2)
    }

    @Test func `Rows of dictionaries are sorted by id`() {
        var testing = RowTesting()
        testing.encoder.append(Self.gauges((0..<50).map { "\($0)" }))
        let ids = testing.dictionary(.metricSeries).map { $0.int("series_id")! }
        #expect(ids.count == 50)
        #expect(ids == ids.sorted())
    }

    @Test func `Series beyond a service's limit become one`() {
        var testing = RowTesting(seriesPerService: 2)
        testing.encoder.append(Self.gauges(["a", "b", "c", "d", "a"]))
        testing.encoder.append(Self.gauges(["e"], service: "cart"))
        let ids = testing.rows(.metricNumber).map { $0.int("series_id")! }
        #expect(Set(ids).count == 4)
        #expect(ids[2] == ids[3])
        #expect(ids[0] == ids[4])
        let overflow = testing.dictionary(.metricSeries).first { $0.int("series_id") == ids[2] }
        #expect(overflow?.json("attributes") == #"{"otel.metric.overflow":true}"#)
        #expect(testing.dictionary(.metricSeries).count == 4)
        testing.encoder.noteFolded()
        #expect(
            testing.cardinality.takeFolded()
                == [.init(kind: .series, service: "checkout", count: 2)])
        #expect(testing.cardinality.takeFolded().isEmpty)

        // What was within the limit stays there; what was not does not come in.
        testing.commitDictionaries()
        testing.encoder.removeAll(now: RowTesting.now + 3_700_000_000_000)
        testing.encoder.append(Self.gauges(["d", "b", "a"]))
        #expect(
            testing.rows(.metricNumber).map { $0.int("series_id")! } == [ids[2], ids[1], ids[0]])
    }

    @Test func `Operations beyond a service's limit are shown as other`() {
        var testing = RowTesting(operationsPerService: 2)
        testing.encoder.append(Self.spans(["a", "b", "c", "a", "d"]))
        testing.encoder.append(Self.spans(["c"], service: "cart"))
        let rows = testing.rows(.span)
        #expect(rows.map { $0.text("operation") } == [nil, nil, "other", nil, "other", nil])
        #expect(rows.map { $0.text("name") } == ["a", "b", "c", "a", "d", "c"])
        testing.encoder.noteFolded()
        #expect(
            testing.cardinality.takeFolded()
                == [.init(kind: .operation, service: "checkout", count: 2)])
    }

    @Test func `Series that the database has are within the limit after a restart`() {
        var before = RowTesting()
        before.encoder.append(Self.gauges(["x", "y"]))
        let ids = before.rows(.metricNumber).map { Int64($0.int("series_id")!) }
        var testing = RowTesting(seriesPerService: 2)
        testing.cardinality.seed(series: ids, ofService: "checkout", now: RowTesting.now)
        testing.encoder.append(Self.gauges(["a", "x", "y"]))
        #expect(testing.rows(.metricNumber).dropFirst().map { Int64($0.int("series_id")!) } == ids)
    }

    @Test func `One service may have what is configured, also beyond what all have otherwise`() {
        let limit = Cardinality.operationsMax + 1
        let cardinality = Cardinality(operationsPerService: limit)
        let admitted = (0...UInt64(limit)).count { operation in
            cardinality.admits(operation: operation, of: 7, now: RowTesting.now)
        }
        #expect(admitted == limit)
    }

    @Test func `A series that was not there for two days makes room`() {
        var limit = CardinalityLimit(countMax: 1, totalMax: 10)
        let day = CardinalityLimit.period
        // Series, day, and whether it is admitted.
        let steps: [(UInt64, UInt64, Bool)] = [
            (1, 1, true), (2, 1, false), (1, 2, true), (2, 3, false), (2, 4, true), (1, 4, false),
        ]
        for (series, number, isAdmitted) in steps {
            let admitted = limit.admits(series, of: 7, now: number * day)
            #expect(admitted == isAdmitted, "series \(series) on day \(number)")
        }
    }

    @Test func `The limit of all services together holds too`() {
        var limit = CardinalityLimit(countMax: 5, totalMax: 3)
        let admitted = (1...4).map { limit.admits($0, of: $0, now: 1) }
        #expect(admitted == [true, true, true, false])
    }

    @Test func `The statement of a dictionary casts each array`() {
        #expect(
            DictionaryTable.scope.insertStatement == """
                INSERT INTO @schema@.scope AS known \
                (scope_id, name, version, schema_url, dropped_attributes, attributes)
                SELECT scope_id, name, version, schema_url, dropped_attributes, attributes \
                FROM unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::int8[], \
                $6::jsonb[]) AS new \
                (scope_id, name, version, schema_url, dropped_attributes, attributes)
                ON CONFLICT (scope_id) DO UPDATE SET last_seen = now()
                WHERE known.last_seen < now() - interval '50 minutes'
                """)
    }
}
