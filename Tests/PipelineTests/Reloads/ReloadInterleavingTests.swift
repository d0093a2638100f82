import Foundation
import Testing

@testable import Pipeline

@Suite struct ReloadInterleavingTests {
    /// `make interleavings INTERLEAVINGS=100000` sets it.
    private static let count =
        ProcessInfo.processInfo.environment["SLUICE_INTERLEAVINGS"].flatMap(Int.init) ?? 1000

    private func world(
        _ chooser: any Chooser, consumers: Int, records: Int,
        _ configurations: [ReloadWorld.Configuration], abandons: Bool = false,
        isRecording: Bool = false
    ) -> (problems: [String], hash: UInt64) {
        let scheduler = Scheduler(chooser)
        let world = ReloadWorld(
            scheduler, consumers: consumers, isRecording: isRecording)
        world.reload(configurations)
        world.deliverGrants()
        world.client(records: records)
        if abandons { world.operatorAbandons() }
        let stuck = scheduler.run()
        return (world.check(stuck) + world.history, scheduler.hash)
    }

    private func world(
        _ seed: UInt64, isRecording: Bool = false
    ) -> (problems: [String], hash: UInt64) {
        world(
            RandomChooser(seed: seed), consumers: 1 + Int(seed % 3), records: 6,
            configurations(seed), abandons: seed % 5 == 0, isRecording: isRecording)
    }

    private static let both = ReloadWorld.Configuration(version: 1, feeds: [true, true])

    /// Removed, put back, replaced, moved to other pipelines, refused: in any order.
    private func configurations(_ seed: UInt64) -> [ReloadWorld.Configuration] {
        var chooser = RandomChooser(seed: seed &+ 7)
        return [Self.both]
            + (0..<2 + chooser.pick(4)).map { _ in
                let isGone = chooser.pick(3) == 0
                return ReloadWorld.Configuration(
                    version: isGone ? nil : 1 + chooser.pick(3),
                    feeds: isGone
                        ? [false, false]
                        : [[true, true], [true, false], [false, true]][chooser.pick(3)],
                    fails: chooser.pick(8) == 0)
            }
    }

    @Test func `No order of threads loses or holds up what a reload hands over`() {
        var schedules: Set<UInt64> = []
        for seed in 0..<UInt64(Self.count) {
            let (problems, hash) = world(seed)
            schedules.insert(hash)
            guard problems.isEmpty else {
                Issue.record("seed \(seed): \(world(seed, isRecording: true).problems)")
                return
            }
        }
        print("reload interleavings: \(Self.count) scheduled, \(schedules.count) of them different")
        #expect(schedules.count > Self.count * 9 / 10)
    }

    @Test(arguments: [
        // An exporter is removed and put back, replaced, and moved away.
        [both, ReloadWorld.Configuration(version: nil, feeds: [false, false]), both],
        [both, ReloadWorld.Configuration(version: 2, feeds: [true, true])],
        [both, ReloadWorld.Configuration(version: 1, feeds: [true, false]), both],
    ])
    func `All orders with few changes between threads are sound`(
        configurations: [ReloadWorld.Configuration]
    ) {
        let chooser = ExhaustiveChooser(changesMax: 2)
        var count = 0
        repeat {
            let (problems, _) = world(chooser, consumers: 1, records: 1, configurations)
            count += 1
            if !problems.isEmpty {
                Issue.record("order \(count): \(problems)")
                return
            }
        } while count < Self.count / 10 && chooser.advance()
        print("reload orders: \(count)")
    }
}
