internal import Platform

/// One deadline per slot, soonest first: a binary heap that knows where each slot's entry is.
///
/// Nearly every deadline is moved on before it comes, so moving it later touches nothing but the
/// slot's wanted time; the heap learns of it when the old time comes up. So a keep-alive connection
/// costs the heap one step per timeout, not one per request, and the heap never has more entries
/// than there are slots.
struct TimerHeap {
    private struct Entry {
        var time: Instant
        var slot: Int
    }

    private var heap: [Entry] = []
    /// By slot: where its entry is in the heap (-1: nowhere), and the time that is wanted.
    private var places: [(index: Int, wanted: Instant)] = []

    /// When `popExpired` may next have something, if ever.
    var next: Instant? { heap.first?.time }

    /// Sets or, with `nil`, takes away the slot's deadline.
    mutating func set(_ slot: Int, _ deadline: Instant?) {
        while places.count <= slot { places.append((-1, .distantFuture)) }
        let index = places[slot].index
        guard let deadline, deadline != .distantFuture else {
            places[slot].wanted = .distantFuture
            if index >= 0 { remove(at: index) }
            return
        }
        places[slot].wanted = deadline
        if index < 0 {
            heap.append(Entry(time: deadline, slot: slot))
            places[slot].index = heap.count - 1
            siftUp(heap.count - 1)
        } else if deadline < heap[index].time {
            heap[index].time = deadline
            siftUp(index)
        }
    }

    /// A slot whose deadline has passed, which is taken away with this.
    mutating func popExpired(at now: Instant) -> Int? {
        while let first = heap.first, first.time <= now {
            let wanted = places[first.slot].wanted
            if wanted <= now {
                remove(at: 0)
                places[first.slot].wanted = .distantFuture
                return first.slot
            }
            heap[0].time = wanted
            siftDown(0)
        }
        return nil
    }

    private mutating func remove(at index: Int) {
        places[heap[index].slot].index = -1
        let last = heap.removeLast()
        guard index < heap.count else { return }
        heap[index] = last
        places[last.slot].index = index
        siftUp(index)
        siftDown(places[last.slot].index)
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0, heap[index].time < heap[(index - 1) / 2].time {
            swap(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].time < heap[least].time {
                least = child
            }
            if least == index { return }
            swap(index, least)
            index = least
        }
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        heap.swapAt(first, second)
        places[heap[first].slot].index = first
        places[heap[second].slot].index = second
    }
}
