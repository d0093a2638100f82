import Bytes

extension OTLPJSON {
    /// How deep messages may nest in protobuf that is written as JSON, the outermost included: what
    /// the index accepts never nests deeper. The attribute of an exemplar stands deepest, its value
    /// being the ninth message; a map in it has an entry and a value below it.
    public static let messageDepthMax = 9 + 3 * TelemetryIndex.valueDepthMax

    /// Appends one request as a line of JSON without its line break; an exporter that has many
    /// keeps a `Writer`. Returns how many sequences in strings were not UTF-8 and became U+FFFD.
    ///
    /// Unknown fields are left out. On an error `target` is unchanged.
    @discardableResult
    public static func write(
        _ protobuf: RawSpan, as signal: Signal, _ role: Role = .request, into target: inout [UInt8],
        outputBytesMax: Int = .max
    ) throws(WireError) -> Int {
        var writer = Writer()
        return try writer.write(
            protobuf, as: signal, role, into: &target, outputBytesMax: outputBytesMax)
    }

    /// Writes protobuf as JSON, again and again in the same memory. One a thread.
    public struct Writer: ~Copyable {
        private var buffer = CodecBuffer()

        public init() {}

        /// Appends the request in `protobuf` as a line of JSON without its line break, and returns
        /// how many sequences in strings were not UTF-8 and became U+FFFD.
        ///
        /// - Parameter outputBytesMax: the most bytes of JSON, which can be many times the
        ///   protobuf's: a byte may take six.
        @discardableResult
        public mutating func write(
            _ protobuf: RawSpan, as signal: Signal, _ role: Role = .request,
            into target: inout [UInt8], outputBytesMax: Int = .max
        ) throws(WireError) -> Int {
            guard protobuf.byteCount <= UInt32.max else {
                throw WireError(.tooLarge(limit: Int(UInt32.max)), at: 0)
            }
            let type = OTLPJSON.type(signal, role)
            if let count = try write(protobuf, type, isCareful: false, outputBytesMax, &target) {
                return count
            }
            guard let count = try write(protobuf, type, isCareful: true, outputBytesMax, &target)
            else { preconditionFailure("BUG: a scattered message was not gathered") }
            return count
        }

        /// Nil when a field's parts are scattered, which takes care.
        private mutating func write(
            _ protobuf: RawSpan, _ type: MessageType, isCareful: Bool, _ outputBytesMax: Int,
            _ target: inout [UInt8]
        ) throws(WireError) -> Int? {
            let schema = Schema.shared
            var buffer = CodecBuffer()
            swap(&buffer, &self.buffer)
            buffer.start(
                limit: outputBytesMax,
                expecting: min(protobuf.byteCount * 2, CodecBuffer.keptBytesMax))
            var writing = JSONWriting(
                fields: schema.fields.span, names: schema.names.span,
                messages: schema.messages.span, byNumber: schema.byNumber.span,
                isCareful: isCareful, output: buffer)
            do {
                let whole = ByteRange(start: 0, end: protobuf.byteCount)
                try writing.object(type.rawValue, protobuf, whole, depth: 1)
            } catch {
                if error.problem == .scattered { return nil }
                throw writing.wireError ?? WireError(.tooLarge(limit: outputBytesMax), at: 0)
            }
            writing.output.append(to: &target)
            if writing.output.isWorthKeeping { swap(&writing.output, &self.buffer) }
            return writing.replacedCount
        }
    }
}
