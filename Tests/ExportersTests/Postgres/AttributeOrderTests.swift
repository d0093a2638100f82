import Bytes
import OTLP
import Testing

@testable import Exporters

@Suite struct AttributeOrderTests {
    private static func bytes(_ keys: [String]) -> [UInt8] {
        var writer = ProtobufWriter()
        for (index, key) in keys.enumerated() {
            writer.message(1) { $0.attribute(key) { $0.int(3, Int64(index)) } }
        }
        return writer.bytes
    }

    /// Each key with its place among those that came, in the order of the object.
    private static func json(_ dialect: ValueJSON.Dialect, _ keys: [String]) -> String {
        let bytes = bytes(keys)
        var json = ValueJSON(dialect)
        let whole = ByteRange(start: 0, end: bytes.count)
        json.attributes(AttributeReader(whole, field: 1), bytes.rawSpan)
        return json.written.string(ByteRange(start: 0, end: json.output.count))
    }

    @Test(arguments: [
        ([], ""), (["a"], #"{"a":0}"#),
        (["bb", "c", "a", ""], #"{"":3,"a":2,"c":1,"bb":0}"#),
        // By bytes, not by characters: é has two.
        (["é", "z", "zz"], #"{"z":1,"zz":2,"é":0}"#),
        // Those that come after are told apart by more than six bytes.
        (
            ["http.target", "http.method", "http.mathod"],
            #"{"http.mathod":2,"http.method":1,"http.target":0}"#
        ),
        // Of repeated keys the last one counts, so it has to stay the last.
        (["b", "a", "b", "a"], #"{"a":1,"a":3,"b":0,"b":2}"#),
    ])
    func `Keys for jsonb come as jsonb keeps them`(keys: [String], json: String) {
        #expect(Self.json(.jsonb, keys) == json)
    }

    @Test func `Keys as text stay as they came`() {
        #expect(Self.json(.text, ["bb", "c", "a"]) == #"{"bb":0,"c":1,"a":2}"#)
    }

    /// The lengths around those that ranks hold, and keys that end where the payload does.
    @Test func `Any keys are sorted as PostgreSQL compares them`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let keys = (0..<Int.random(in: 1...AttributeOrder.countMax, using: &random)).map { _ in
                let count = [0, 1, 5, 6, 7, 8, 9, 254, 255, 256, 300].randomElement()!
                return String((0..<count).map { _ in "ab".randomElement()! })
            }
            let sorted = keys.enumerated().sorted { left, right in
                (left.element.utf8.count, left.element, left.offset)
                    < (right.element.utf8.count, right.element, right.offset)
            }
            let members = sorted.map { "\"\($0.element)\":\($0.offset)" }
            #expect(Self.json(.jsonb, keys) == "{\(members.joined(separator: ","))}")
        }
    }

    @Test func `More than are gathered at once are all there, and those of one key in order`() {
        let keys = (0..<100).map { "\(9 - $0 % 10)" }
        let json = Self.json(.jsonb, keys)
        for key in 0..<10 {
            let values = json.split(separator: ",").map { $0.drop { $0 == "{" } }
                .filter { $0.hasPrefix("\"\(key)\":") }
                .compactMap { Int($0.dropFirst(4).prefix { $0 != "}" }) }
            #expect(values == (0..<100).filter { keys[$0] == "\(key)" })
        }
    }
}
