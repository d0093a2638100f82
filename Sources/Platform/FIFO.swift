/// First in, first out, with both ends in constant time.
public struct FIFO<Element> {
    @usableFromInline var elements: [Element?] = []
    /// Where the first element stands; what is before it was taken.
    @usableFromInline var head = 0

    @inlinable public init() {}

    @inlinable public var count: Int { elements.count - head }
    @inlinable public var isEmpty: Bool { count == 0 }
    @inlinable public var first: Element? { isEmpty ? nil : elements[head] }

    /// The element at a distance from the first.
    @inlinable public subscript(index: Int) -> Element {
        guard let element = elements[head + index] else {
            preconditionFailure("BUG: an element before the first was asked for")
        }
        return element
    }

    @inlinable public mutating func append(_ element: Element) { elements.append(element) }

    @inlinable public mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = elements[head]
        elements[head] = nil
        head += 1
        if head == elements.count {
            elements.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head * 2 >= elements.count {
            // Half of it is behind the head, so that each move is paid for by as many takes.
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}

extension FIFO: Sendable where Element: Sendable {}
