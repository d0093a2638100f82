import Bytes

/// OTLP/JSON, in both directions: the JSON Protobuf encoding with OTLP's deviations (ids in
/// hexadecimal, enums as numbers, unknown fields ignored). Source: the OTLP specification,
/// "JSON Protobuf Encoding", and the proto3 JSON mapping.
public enum OTLPJSON {
    /// How deep objects and arrays may nest in a field that OTLP does not have, and which is passed
    /// over. In all others values alone can nest, to `TelemetryIndex.valueDepthMax`.
    public static let unknownDepthMax = 128

    /// Whether a document is what a client exports or what a server answers.
    @frozen
    public enum Role: Sendable {
        /// `Export…ServiceRequest`
        case request
        /// `Export…ServiceResponse`
        case response
    }

    /// What transcoding JSON gives.
    public struct Transcoded: Sendable {
        /// The request in protobuf.
        public let protobuf: [UInt8]
        /// How many sequences in strings were no Unicode text (bytes that are not UTF-8, lone
        /// surrogates) and became U+FFFD.
        public let replacedCount: Int
    }

    /// Transcodes one request; a receiver that has many keeps a `Transcoder`.
    ///
    /// - Parameter outputBytesMax: the most bytes of protobuf, which can be four times the JSON's.
    public static func transcode(
        _ json: RawSpan, as signal: Signal, _ role: Role = .request,
        outputBytesMax: Int
    ) throws(OTLPJSONError) -> Transcoded {
        var transcoder = Transcoder()
        return try transcoder.transcode(json, as: signal, role, outputBytesMax: outputBytesMax)
    }

    /// Transcodes JSON to protobuf, again and again in the same memory. One a thread.
    public struct Transcoder: ~Copyable {
        private var buffer = CodecBuffer()

        public init() {}

        /// The protobuf encoding of the request in `json`.
        ///
        /// - Parameters:
        ///   - outputBytesMax: the most bytes of protobuf, which can be four times the JSON's; a
        ///     request that takes more is refused as `.tooLarge`.
        ///   - scratchBytesMax: the most bytes of one name, number or base64 text with escapes,
        ///     which has to be unescaped before it can be read; likewise.
        public mutating func transcode(
            _ json: RawSpan, as signal: Signal, _ role: Role = .request, outputBytesMax: Int,
            scratchBytesMax: Int = .max
        ) throws(OTLPJSONError) -> Transcoded {
            let schema = Schema.shared
            var buffer = CodecBuffer()
            swap(&buffer, &self.buffer)
            buffer.start(
                limit: outputBytesMax, expecting: json.byteCount)
            var transcoding = JSONTranscoding(
                json, fields: schema.fields.span, names: schema.names.span,
                messages: schema.messages.span, byName: schema.byName.span, output: buffer,
                scratchBytesMax: min(scratchBytesMax, outputBytesMax))
            do {
                try transcoding.document(OTLPJSON.type(signal, role))
                try transcoding.output.settleLengths()
            } catch {
                let position = transcoding.position
                throw OTLPJSONError(error, at: position, in: json, outputBytesMax: outputBytesMax)
            }
            let transcoded = Transcoded(
                protobuf: transcoding.output.bytes, replacedCount: transcoding.replacedCount)
            if transcoding.output.isWorthKeeping { swap(&transcoding.output, &self.buffer) }
            return transcoded
        }
    }

    static func type(_ signal: Signal, _ role: Role) -> MessageType {
        switch (signal, role) {
        case (.traces, .request): .exportTraceServiceRequest
        case (.metrics, .request): .exportMetricsServiceRequest
        case (.logs, .request): .exportLogsServiceRequest
        case (.traces, .response): .exportTraceServiceResponse
        case (.metrics, .response): .exportMetricsServiceResponse
        case (.logs, .response): .exportLogsServiceResponse
        }
    }
}
