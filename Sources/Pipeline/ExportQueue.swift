public import Platform

/// Keeps what was acknowledged until an exporter has delivered it.
///
/// Taking a batch in is two steps, so that a request that goes to several queues is taken by all of
/// them or by none: `reserve` room in each, then `append` to each.
public protocol ExportQueue: AnyObject, Sendable {
    /// Takes room for a batch; `false` where there is none, and then nothing has changed.
    func reserve(_ size: BatchSize) -> Bool
    /// Gives back room that was reserved and is not needed.
    func cancel(_ size: BatchSize)
    /// Takes a batch in, into room that was reserved for it.
    ///
    /// - Parameter whenKept: called once, on any thread, when the batch is as safe as this queue
    ///   makes it: the acknowledgement may go out.
    func append(_ batch: QueuedBatch, whenKept: @escaping @Sendable () -> Void)

    /// The next lot; waits until there is one. Nil when the queue was closed and is empty.
    func nextLot(_ limits: LotLimits) -> Lot?
    /// The lot will not be needed again: delivered, or given up. Its room is free.
    func finish(_ lot: Lot)
    /// From now on nothing is reserved, and `nextLot` no longer waits for lots to grow.
    func close()

    var status: QueueStatus { get }
}

/// How much room a batch takes.
public struct BatchSize: Sendable, Equatable {
    public var items: Int
    public var bytes: Int

    public init(items: Int, bytes: Int) {
        self.items = items
        self.bytes = bytes
    }
}

/// What a queue holds, under delivery included.
public struct QueueStatus: Sendable, Equatable {
    public var batches = 0
    public var items = 0
    public var bytes = 0
    /// Items per signal, in the order of `Signal`.
    public var itemsBySignal = [0, 0, 0]
    /// When the oldest batch came that is not delivered; nil where there is none.
    public var oldest: Instant?
    /// The size and the capacity in the unit of the queue's sizer.
    public var size = 0
    public var capacity = 0
    /// Whether even the smallest batch would be refused.
    public var isFull = false

    public init() {}
}
