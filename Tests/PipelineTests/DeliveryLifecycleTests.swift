import Testing

@testable import Pipeline

@Suite struct DeliveryLifecycleTests {
    private typealias Event = DeliveryLifecycle.Event
    private typealias Action = DeliveryLifecycle.Action

    /// What each event brings about, from the start.
    private func actions(_ events: [Event], consumers: Int = 1) -> [[Action]] {
        var lifecycle = DeliveryLifecycle(consumers: consumers)
        return events.map { lifecycle.handle($0) }
    }

    private func conclusion(_ cursors: DeliveryLifecycle.Cursors) -> [Action] {
        [.joinThreads, .closeExporter, .release(cursors), .reportEnd]
    }

    @Test func `One that finishes gives its cursors back when its last consumer has ended`() {
        #expect(
            actions([.finish, .consumersGone, .consumerEnded, .consumersGone, .concluded]) == [
                [.closeQueue(endsAtFailure: false)], [], [.wakeWaiters], conclusion(.giveBack),
                [.wakeWaiters],
            ])
    }

    @Test func `Of two that wait for the end one concludes`() {
        #expect(
            actions([
                .finish, .leave(isUndone: false), .consumerEnded, .consumersGone, .consumersGone,
            ])
                == [
                    [.closeQueue(endsAtFailure: false)], [.stopQueue, .wakeWaiters],
                    [.wakeWaiters], conclusion(.giveBack), [],
                ])
    }

    @Test func `A process that ends leaves the cursors to the log`() {
        #expect(
            actions([.drain(endsCursors: false), .consumerEnded, .consumersGone]).last
                == conclusion(.stay))
        #expect(
            actions([.finish, .drain(endsCursors: false), .consumerEnded, .consumersGone]).last
                == conclusion(.stay))
    }

    @Test func `Nobody comes after one that a reload removed from memory, unless it is put back`() {
        #expect(
            actions([.drain(endsCursors: true), .consumerEnded, .consumersGone]).last
                == conclusion(.end))
        #expect(
            actions([
                .drain(endsCursors: true), .leave(isUndone: false), .consumerEnded, .consumersGone,
            ]).last == conclusion(.giveBack))
    }

    @Test func `A deadline aborts the exporter once, and only where there is one`() {
        #expect(actions([.finish, .deadlinePassed]).last == [])
        #expect(
            actions([.leave(isUndone: false), .deadlinePassed, .deadlinePassed]) == [
                [.stopQueue, .wakeWaiters], [.wakeWaiters, .abortExporter], [.wakeWaiters],
            ])
        #expect(
            actions([.leave(isUndone: false), .consumerEnded, .deadlinePassed]).last
                == [.wakeWaiters])
    }

    @Test func `What a drain leaves ends it`() {
        var lifecycle = DeliveryLifecycle(consumers: 1)
        _ = lifecycle.handle(.drain(endsCursors: false))
        #expect(!lifecycle.isOver)
        _ = lifecycle.handle(.lotLeft)
        #expect(lifecycle.isOver)
    }
}
