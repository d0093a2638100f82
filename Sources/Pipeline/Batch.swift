import Bytes
public import OTLP

/// One request's telemetry on its way through a pipeline: OTLP bytes and the index over them.
///
/// The bytes are those of an `Export…ServiceRequest`, validated. Whoever changes them does so
/// through `apply`, which keeps the index right and the size within bounds.
public struct Batch: Sendable {
    public private(set) var payload: [UInt8]
    public private(set) var index: TelemetryIndex
    /// The most bytes that edits may make of it.
    private var bytesMax: Int

    /// - Precondition: `index` was built over `payload`.
    public init(payload: [UInt8], index: TelemetryIndex) {
        self.payload = payload
        self.index = index
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
        try replacePayload(with: edit.apply(to: payload, index: index))
    }

    /// Takes other bytes of the same signal in place of these.
    ///
    /// - Throws: `Refusal` where they are too many.
    public mutating func replacePayload(with newPayload: [UInt8]) throws(Refusal) {
        // What shrinks may be larger than it ever might become: it was when it came.
        guard newPayload.count <= max(bytesMax, payload.count) else { throw tooLarge() }
        do throws(WireError) {
            let signal = index.signal
            try index.rebuild(over: newPayload.rawSpan, as: signal)
        } catch {
            guard case .tooLarge = error.reason else {
                preconditionFailure("BUG: an edit made an invalid payload: \(error)")
            }
            throw tooLarge()
        }
        payload = newPayload
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
