import OTLP

// message KeyValue { string key = 1; AnyValue value = 2; }
// message AnyValue {
//   oneof value {
//     string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
//     ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
//   }
// }
// message ArrayValue { repeated AnyValue values = 1; }

/// The value of an attribute that is the same in each span that has it.
enum AttributeValue {
    case string(String)
    case integer(Int64)
    case double(Double)
    case boolean(Bool)
    case strings([String])
}

extension AttributeValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int64) { self = .integer(value) }
    init(floatLiteral value: Double) { self = .double(value) }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(arrayLiteral elements: String...) { self = .strings(elements) }
}

extension ProtobufWriter {
    mutating func attributes(_ field: Int, _ attributes: KeyValuePairs<String, AttributeValue>) {
        for (key, value) in attributes { attribute(field, key, value) }
    }

    mutating func attribute(_ field: Int, _ key: String, _ value: AttributeValue) {
        message(field) { pair in
            pair.string(1, key)
            pair.message(2) { any in
                switch value {
                case .string(let string): any.string(1, string)
                case .integer(let number): any.int(3, number)
                case .double(let number): any.double(4, number)
                case .boolean(let flag): any.bool(2, flag)
                case .strings(let strings):
                    any.message(5) { array in
                        for string in strings {
                            array.message(1) { $0.string(1, string) }
                        }
                    }
                }
            }
        }
    }

    /// A string that was put together as bytes, without a `String` in between.
    mutating func attribute(_ field: Int, _ key: String, text: [UInt8]) {
        message(field) { pair in
            pair.string(1, key)
            pair.message(2) { $0.bytes(1, text) }
        }
    }
}
