import Bytes
import OTLP
import Pipeline

/// One entry of `attributes` (of `resource`) or `actions` (of `attributes`).
struct AttributeAction: Sendable {
    enum Kind: Sendable {
        case insert(ValueSource)
        case update(ValueSource)
        case upsert(ValueSource)
        /// By key and, where there is one, by a pattern for keys.
        case delete(RegularExpression?)
        case hash(RegularExpression?)
        case extract(RegularExpression)
        case convert(ValueConversion)
    }

    /// Empty where only a pattern says what is meant.
    var key: [UInt8]
    var kind: Kind

    var pattern: RegularExpression? {
        switch kind {
        case .insert, .update, .upsert, .convert: nil
        case .delete(let pattern), .hash(let pattern): pattern
        case .extract(let pattern): pattern
        }
    }
}

/// Where `insert`, `update` and `upsert` take the value from.
struct ValueSource: Sendable {
    enum Place: Sendable {
        /// The configuration: the body of an `AnyValue`.
        case constant([UInt8])
        case attribute([UInt8])
        case context(ContextSource)
    }

    let place: Place
    /// What stands in where the attribute or the context has nothing: `default_value`.
    var standard: [UInt8]?

    static func constant(_ value: [UInt8]) -> ValueSource { ValueSource(place: .constant(value)) }
}

/// What `from_context` names.
enum ContextSource: Sendable, Equatable {
    /// A request header, in lower case. Several values are joined with `;`.
    case metadata(String)
    case clientAddress
    /// `auth.*`: there are no authenticators yet, so there is none.
    case authentication

    func value(in context: RequestContext) -> [UInt8]? {
        let text: String? =
            switch self {
            case .metadata(let name): context.metadata[name]?.joined(separator: ";")
            case .clientAddress: context.clientAddress
            case .authentication: nil
            }
        return text.map { EncodedValue.string($0) }
    }
}

/// The body of an `AnyValue` message, encoded.
enum EncodedValue {
    static func string(_ text: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.string(1, text)
        return writer.bytes
    }

    static func string(_ text: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(1, text)
        return writer.bytes
    }

    static func string(_ source: RawSpan, _ range: ByteRange) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.bytes(1, source, range)
        return writer.bytes
    }

    static func bool(_ value: Bool) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.bool(2, value)
        return writer.bytes
    }

    static func int(_ value: Int64) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.int(3, value)
        return writer.bytes
    }

    /// - Parameter values: bodies of `AnyValue`.
    static func list(_ values: [[UInt8]]) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.message(5) { list in
            for value in values { list.bytes(1, value) }
        }
        return writer.bytes
    }

    static func double(_ value: Double) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.double(4, value)
        return writer.bytes
    }
}
