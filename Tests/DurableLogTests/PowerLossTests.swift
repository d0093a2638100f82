import Foundation
import Synchronization
import Testing

@testable import DurableLog

/// The log on a modelled disk that forgets, tears and refuses.
@Suite struct PowerLossTests {
    /// Seeds that have failed once, and those that are run in any case.
    static let keptSeeds: [UInt64] = []

    /// `SLUICE_MODEL_SEEDS` has more of them run, from `SLUICE_MODEL_FIRST_SEED` on.
    static var seeds: [UInt64] {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["SLUICE_MODEL_SEEDS"].flatMap { Int($0) } ?? 200
        let first = environment["SLUICE_MODEL_FIRST_SEED"].flatMap { UInt64($0) } ?? 1
        return keptSeeds + (0..<UInt64(count)).map { first + $0 }
    }

    static let isLong = ProcessInfo.processInfo.environment["SLUICE_MODEL_SEEDS"] != nil

    private func expect(_ seed: UInt64, _ options: LogHistory.Options) -> Bool {
        var history = LogHistory(seed: seed, options)
        let problems = history.run()
        #expect(problems == [], "seed \(seed), \(options)")
        return problems.isEmpty
    }

    @Test(arguments: [LogSettings.Durability.fsync, .os], [true, false])
    func `Nothing acknowledged is lost when a crash comes in any call`(
        durability: LogSettings.Durability, losesPower: Bool
    ) {
        var options = LogHistory.Options()
        options.durability = durability
        options.losesPower = losesPower
        for seed: UInt64 in 1...(Self.isLong ? 12 : 1) {
            var whole = LogHistory(seed: seed, options)
            #expect(whole.run() == [])
            for call in 1...whole.disk.calls {
                options.faults.crashAt = call
                guard expect(seed, options) else { return }
            }
            options.faults.crashAt = .max
        }
    }

    @Test(arguments: FaultPlan.Kind.allCases.filter { $0 != .noMemory })
    func `Nothing acknowledged is lost when any call fails`(kind: FaultPlan.Kind) {
        var options = LogHistory.Options()
        options.faults.kind = kind
        var whole = LogHistory(seed: 7, options)
        #expect(whole.run() == [])
        for call in 1...whole.disk.calls {
            for length in Self.isLong ? [1, 2, 12] : [1, 12] where call % length == 0 {
                options.faults.failing = call..<call + length
                guard expect(7, options) else { return }
            }
        }
    }

    @Test func `Nothing acknowledged is lost in any history`() {
        for seed in Self.seeds { guard expect(seed, Self.options(seed)) else { return } }
    }

    @Test func `A full disk is drained, and then written again, without anybody's help`() throws {
        let disk = ModelDisk(seed: 1)
        var settings = LogSettings()
        settings.segmentBytes = 20_000
        settings.retain = .seconds(3600)
        settings.diskReserveBytes = 0
        let log = try DurableLog(
            "traces", directory: LogHistory.directory, settings: settings, epoch: .random(),
            storage: disk.boot())
        let cursor = log.openCursor("a") { _, _ in }
        log.maintain()
        disk.withLock { $0.capacityBytes = 300_000 }
        let answers = LogHistory.Answers()
        func append(_ serial: Int) -> Bool {
            let record = LogHistory.record(1, serial)
            guard log.reserve(bytes: record.bytesOnDisk) == nil else { return false }
            log.append(record) { isKept in answers.all.withLock { $0.append((serial, isKept)) } }
            log.commitGathered()
            return answers.all.withLock { $0.last!.isKept }
        }
        var serial = 0
        while append(serial) { serial += 1 }
        // The last bytes go to somebody else.
        disk.withLock { $0.capacityBytes = $0.usedBytes }
        for _ in 0..<3 { log.maintain() }
        #expect(!append(serial))
        #expect(try cursor.readAll().count == serial)
        for _ in 0..<3 { log.maintain() }
        #expect(append(serial))
        log.close()
    }

    /// A mix of crashes and faults.
    static func options(_ seed: UInt64) -> LogHistory.Options {
        var random = SeededRandom(seed: seed &* 31)
        var options = LogHistory.Options()
        options.steps = 20 + random.below(150)
        options.crashes = 1 + random.below(6)
        options.durability = random.chance(4, 5) ? .fsync : .os
        options.losesPower = random.chance(2, 3)
        options.crashesInRecovery = random.chance(1, 2)
        if random.chance(4, 5) { options.faults.crashAt = 1 + random.below(200) }
        let kinds = FaultPlan.Kind.allCases.filter { $0 != .noMemory }
        options.faults.kind = kinds[random.below(kinds.count)]
        if random.chance(1, 2) { options.faults.percent = 1 + random.below(10) }
        options.fillsDisk = random.chance(1, 3)
        return options
    }
}
