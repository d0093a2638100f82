/// One header field: a name and its value, as they were sent, without the space around the value.
@frozen public struct HTTPField: Hashable, Sendable {
    public var name: String
    public var value: String

    @inlinable public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Header fields in their order. Names are compared without regard to ASCII case (RFC 9110, 5.1).
///
/// A request has a handful of fields, so they are searched one by one: that is quicker than hashing
/// them, and needs no allocation.
@frozen public struct HTTPHeaders: Hashable, Sendable {
    public var fields: [HTTPField]

    @inlinable public init(_ fields: [HTTPField] = []) { self.fields = fields }

    @inlinable public var isEmpty: Bool { fields.isEmpty }
    @inlinable public var count: Int { fields.count }

    /// The first field of that name; setting replaces them all, `nil` removes them.
    public subscript(name: String) -> String? {
        get { fields.first { HTTPHeaders.isSame($0.name, name) }?.value }
        set {
            fields.removeAll { HTTPHeaders.isSame($0.name, name) }
            if let newValue { fields.append(HTTPField(name: name, value: newValue)) }
        }
    }

    /// The value of the field of that name, where there is exactly one.
    public func only(_ name: String) -> String? {
        var value: String?
        for field in fields where HTTPHeaders.isSame(field.name, name) {
            guard value == nil else { return nil }
            value = field.value
        }
        return value
    }

    /// The values of every field of that name, in order.
    public func values(_ name: String) -> [String] {
        fields.filter { HTTPHeaders.isSame($0.name, name) }.map(\.value)
    }

    /// Adds a field beside others of the same name.
    public mutating func add(_ name: String, _ value: String) {
        fields.append(HTTPField(name: name, value: value))
    }

    public func contains(_ name: String) -> Bool {
        fields.contains { HTTPHeaders.isSame($0.name, name) }
    }

    /// The elements of a list-valued field (RFC 9110, 5.6.1), over all fields of that name, with
    /// the space around them removed and empty ones left out. Not for fields with quoted strings.
    public func elements(_ name: String) -> [Substring] {
        var elements: [Substring] = []
        for field in fields where HTTPHeaders.isSame(field.name, name) {
            // Bytes, not characters: to find where those end costs more than all the rest.
            for part in field.value.utf8.split(separator: UInt8(ascii: ",")) {
                let element = Substring(part).trimmingHTTPSpace()
                if !element.isEmpty { elements.append(element) }
            }
        }
        return elements
    }

    /// Equal but for the case of ASCII letters.
    public static func isSame(_ left: String, _ right: String) -> Bool {
        let left = left.utf8Span.span
        let right = right.utf8Span.span
        guard left.count == right.count else { return false }
        for index in left.indices
        where left[index] != right[index]
            && asciiLowercase(left[index]) != asciiLowercase(right[index])
        {
            return false
        }
        return true
    }

    @inlinable
    public static func isSame(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
        let left = left.utf8
        let right = right.utf8
        guard left.count == right.count else { return false }
        var other = right.startIndex
        for byte in left {
            guard asciiLowercase(byte) == asciiLowercase(right[other]) else { return false }
            other = right.index(after: other)
        }
        return true
    }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { HTTPField(name: $0.0, value: $0.1) }
    }
}

@inlinable func asciiLowercase(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}

extension Substring {
    /// Without the spaces and tabs at both ends (RFC 9110's OWS).
    public func trimmingHTTPSpace() -> Substring {
        let utf8 = self.utf8
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }),
            let last = utf8.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return self[first..<utf8.index(after: last)]
    }
}
