import Bytes
public import OTLP
import Platform

/// One request's telemetry on its way through a pipeline: OTLP bytes and the index over them.
///
/// The bytes are those of an `Export…ServiceRequest`, validated. Whoever changes them does so
/// through `apply`, which keeps the index right and the size within bounds.
public struct Batch: Sendable {
    public private(set) var payload: [UInt8]
    public private(set) var index: TelemetryIndex
    /// The most bytes that edits may make of it.
    private var bytesMax: Int
    /// Of the request; copies are taken from it before they are made.
    private let memory: RequestMemory?
    /// What this batch has taken for the payload and the index that it alone has.
    private var ownBytes = 0

    /// - Precondition: `index` was built over `payload`.
    public init(payload: [UInt8], index: TelemetryIndex, memory: RequestMemory? = nil) {
        self.payload = payload
        self.index = index
        self.memory = memory
        bytesMax = EditGrowth().bytesMax(of: payload.count)
    }

    public var signal: Signal { index.signal }
    /// Spans, data points or log records.
    public var itemCount: Int { index.items.count }

    /// Bounds what all edits from now on may add together.
    mutating func limit(_ growth: EditGrowth) { bytesMax = growth.bytesMax(of: payload.count) }

    /// An edit that is gathered against this batch as it is now, and knows how much it may add.
    public func edit() -> PayloadEdit { PayloadEdit(growthMax: bytesMax - payload.count) }

    /// Makes the changes of `edit`, which was gathered against this batch as it is now.
    ///
    /// - Throws: `Refusal` where they would make the request too large; it stays as it was then.
    public mutating func apply(_ edit: PayloadEdit) throws(Refusal) {
        guard !edit.isEmpty || edit.isTooLarge else { return }
        guard !edit.isTooLarge else { throw tooLarge() }
        let output = edit.outputBytesMax(of: payload, index: index)
        let work = edit.workBytes(index: index)
        try take(output + work)
        let edited = edit.apply(to: payload, index: index)
        memory?.giveBack(output + work - edited.count)
        try replace(by: edited, taken: edited.count)
    }

    /// Takes other bytes of the same signal in place of these.
    ///
    /// - Throws: `Refusal` where they are too many.
    public mutating func replacePayload(with newPayload: [UInt8]) throws(Refusal) {
        try take(newPayload.count)
        try replace(by: newPayload, taken: newPayload.count)
    }

    /// The same for a pipeline of its own: its edits are copies beside this one.
    func forked() -> Batch {
        var copy = self
        copy.ownBytes = 0
        return copy
    }

    /// Only the payload is needed from now on.
    mutating func dropIndex() {
        let bytes = max(0, ownBytes - payload.count)
        index = TelemetryIndex()
        ownBytes -= bytes
        memory?.giveBack(bytes)
    }

    /// - Parameter taken: of the request's memory, for the new payload.
    private mutating func replace(by newPayload: [UInt8], taken: Int) throws(Refusal) {
        // What shrinks may be larger than it ever might become: it was when it came.
        guard newPayload.count <= max(bytesMax, payload.count) else { throw tooLarge() }
        let signal = index.signal
        var edited = TelemetryIndex()
        var indexBytes = 0
        if index.frames.count + index.items.count > TelemetryIndex.messagesKept {
            // Made beside the present one, which other pipelines may share.
            let counts = MessageCounts(of: newPayload.rawSpan, as: signal)
            indexBytes = counts.indexBytes
            do throws(Refusal) {
                try take(indexBytes)
            } catch {
                memory?.giveBack(taken)
                throw error
            }
            edited.reserve(counts)
        } else {
            swap(&edited, &index)
        }
        do throws(WireError) {
            try edited.rebuild(over: newPayload.rawSpan, as: signal)
        } catch {
            // The old payload has no index any more, and the request goes no further.
            guard case .tooLarge = error.reason else {
                preconditionFailure("BUG: an edit made an invalid payload: \(error)")
            }
            throw tooLarge()
        }
        index = edited
        payload = newPayload
        memory?.giveBack(ownBytes)
        ownBytes = taken + indexBytes
    }

    private func take(_ bytes: Int) throws(Refusal) {
        do throws(ByteBudget.Shortage) {
            try memory?.take(bytes)
        } catch {
            switch error {
            case .later: throw Refusal(reason: "no room for an edited copy; send again later")
            case .never(let limit):
                throw .tooLarge(
                    "an edited copy takes the request past the \(limit) bytes that all requests "
                        + "share; send smaller batches or raise service.limits.request_bodies")
            }
        }
    }

    private func tooLarge() -> Refusal {
        .tooLarge(
            "processors would make more than \(bytesMax) bytes of this request's "
                + "\(payload.count); send fewer resources a request, or raise "
                + "service.limits.edit_growth")
    }
}

/// What processors may add to one request. A few bytes can stand for many resources, and each may
/// get attributes of kilobytes.
public struct EditGrowth: Sendable, Equatable {
    /// Bytes that any request may grow by.
    public var bytes: Int
    /// Ordinary requests hold more than the attributes that are added to them; a larger one may
    /// grow by so many times its size.
    public static let factor = 4
    /// Some 1,000 resources with the attributes that a cluster's detectors add to each.
    public static let bytesStandard = 4 << 20

    public init(bytes: Int = EditGrowth.bytesStandard) { self.bytes = bytes }

    func bytesMax(of size: Int) -> Int {
        // A payload is at most 1 GiB, as is what may be added.
        min(size + max(bytes, size * Self.factor), TelemetryIndex.payloadBytesMax)
    }
}
