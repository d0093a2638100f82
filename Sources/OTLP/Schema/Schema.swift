/// The declarations of `MessageType`, compiled into flat tables that the codec walks: a field is
/// found by its JSON name or its number without a comparison of strings.
///
/// Names are at most 24 bytes, so that a key in the input is three 64-bit words.
struct Schema: Sendable {
    /// The longest JSON name in OTLP, rounded up to words.
    static let nameBytesMax = 24
    /// Slots per message for names: a power of two, sparse enough that a perfect hash is found.
    static let nameSlots = 32
    /// Slots per message for numbers: OTLP's highest field number is 16.
    static let numberSlots = 17
    /// No field here.
    static let none: UInt8 = 0xFF

    /// What the codec needs to know of a field: one word, which stays in a register.
    ///
    /// From the lowest byte: kind, rule, the tag's two bytes, the tag's length, type, index,
    /// number.
    struct Field: Sendable {
        private let bits: UInt64

        init(_ declaration: FieldDeclaration, index: Int) {
            let isPacked = declaration.rule == .repeated && declaration.kind.isPackable
            let wireType = isPacked ? WireType.bytes : declaration.kind.wireType
            let tag = UInt64(declaration.number) << 3 | UInt64(wireType.rawValue)
            let varint = tag < 0x80 ? tag : (tag & 0x7F | 0x80) | (tag >> 7) << 8
            let isEnum = declaration.kind == .enumeration
            let type = isEnum ? declaration.enumeration.rawValue : declaration.message.rawValue
            let low = UInt64(declaration.kind.rawValue) | UInt64(declaration.rule.rawValue) << 8
            let middle = varint << 16 | (tag < 0x80 ? 1 : 2) << 32
            bits =
                low | middle | UInt64(type) << 40 | UInt64(index) << 48
                | UInt64(declaration.number) << 56
        }

        @inline(__always)
        private func byte(_ index: UInt64) -> UInt8 {
            UInt8(truncatingIfNeeded: bits &>> (index &* 8))
        }

        // SAFETY: the bytes were a case's raw value, which counts from 0 as its representation
        // does.
        var kind: FieldKind { unsafe unsafeBitCast(byte(0), to: FieldKind.self) }
        var rule: FieldRule { unsafe unsafeBitCast(byte(1), to: FieldRule.self) }
        /// The tag as it stands on the wire; packed numbers have that of `bytes`.
        var tag: UInt16 { UInt16(truncatingIfNeeded: bits >> 16) }
        var tagBytes: Int { Int(byte(4)) }
        /// The type of a message, or the enum's of an enumeration.
        var type: UInt8 { byte(5) }
        /// The field's place in its message.
        var index: UInt8 { byte(6) }
        var number: UInt8 { byte(7) }

        /// The field's place in masks of its message's fields.
        var bit: UInt32 { 1 &<< UInt32(index) }
        /// Whether it is a list or a map within a value: what can nest without end.
        var isNesting: Bool {
            kind == .message
                && (type == MessageType.arrayValue.rawValue
                    || type == MessageType.keyValueList.rawValue)
        }
        /// Whether a zero or empty value is a value, and is encoded.
        var hasPresence: Bool { rule == .optional || rule == .oneof }
    }

    /// A JSON name: zero-padded words, first byte lowest.
    struct Name: Sendable {
        var words: (UInt64, UInt64, UInt64)
        var bytes: Int
    }

    struct Message: Sendable {
        var firstField: UInt16
        var fieldCount: UInt8
        var usualLengthBytes: UInt8
        /// The bits of the fields that are one `oneof`; no message of OTLP has two.
        var oneof: UInt32
        var hashMultiplier: UInt64
    }

    let fields: [Field]
    /// The names of `fields`.
    let names: [Name]
    let messages: [Message]
    /// `nameSlots` a message: the field's index within `fields`' part for that message.
    let byName: [UInt8]
    /// `numberSlots` a message.
    let byNumber: [UInt8]

    static let shared = Schema()

    private init() {
        var fields: [Field] = []
        var fieldNames: [Name] = []
        var messages: [Message] = []
        var byName: [UInt8] = []
        var byNumber: [UInt8] = []
        for type in MessageType.allCases {
            let declared = type.fields
            precondition(declared.count <= 32, "BUG: a message's fields have to fit a mask")
            let compiled = declared.enumerated().map { Field($1, index: $0) }
            let names = declared.map { declaration in
                Name(
                    words: Schema.words(declaration.name),
                    bytes: declaration.name.utf8CodeUnitCount)
            }
            let (multiplier, slots) = Schema.perfectHash(names)
            messages.append(
                Message(
                    firstField: UInt16(fields.count), fieldCount: UInt8(compiled.count),
                    usualLengthBytes: type.usualLengthBytes, oneof: Schema.oneof(compiled),
                    hashMultiplier: multiplier))
            var numbers = [UInt8](repeating: Schema.none, count: Schema.numberSlots)
            for (index, field) in compiled.enumerated() {
                numbers[Int(field.number)] = UInt8(index)
            }
            fields += compiled
            fieldNames += names
            byName += slots
            byNumber += numbers
        }
        self.fields = fields
        self.names = fieldNames
        self.messages = messages
        self.byName = byName
        self.byNumber = byNumber
    }

    /// Where a name goes in its message's slots.
    @inline(__always)
    static func nameSlot(firstWord: UInt64, bytes: Int, multiplier: UInt64) -> Int {
        let key = firstWord &+ UInt64(truncatingIfNeeded: bytes)
        return Int(truncatingIfNeeded: (key &* multiplier) >> 59)
    }

    private static func oneof(_ fields: [Field]) -> UInt32 {
        fields.filter { $0.rule == .oneof }.reduce(0) { $0 | $1.bit }
    }

    private static func words(_ name: StaticString) -> (UInt64, UInt64, UInt64) {
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        let bytes = Array(name.description.utf8)
        precondition(bytes.count <= nameBytesMax, "BUG: \(name) does not fit three words")
        for (index, byte) in bytes.enumerated() {
            let shifted = UInt64(byte) << UInt64(index % 8 * 8)
            switch index / 8 {
            case 0: words.0 |= shifted
            case 1: words.1 |= shifted
            default: words.2 |= shifted
            }
        }
        return words
    }

    /// A multiplier under which no two names of a message share a slot, and the slots.
    private static func perfectHash(_ names: [Name]) -> (UInt64, [UInt8]) {
        // Weyl steps by the golden ratio: with 16 names in 32 slots, one in some hundreds fits.
        var multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
        for _ in 0..<1_000_000 {
            var slots = [UInt8](repeating: none, count: nameSlots)
            let fits = names.enumerated().allSatisfy { index, name in
                let slot = nameSlot(
                    firstWord: name.words.0, bytes: name.bytes, multiplier: multiplier)
                defer { slots[slot] = UInt8(index) }
                return slots[slot] == none
            }
            if fits { return (multiplier, slots) }
            multiplier &+= 0x9E37_79B9_7F4A_7C15
            multiplier |= 1
        }
        preconditionFailure("BUG: no perfect hash; give the schema more slots per message")
    }
}
