/// First in, first out, with both ends in constant time.
struct FIFO<Element> {
    private var elements: [Element?] = []
    /// Where the first element stands; what is before it was taken.
    private var head = 0

    var count: Int { elements.count - head }
    var isEmpty: Bool { count == 0 }
    var first: Element? { isEmpty ? nil : elements[head] }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
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
