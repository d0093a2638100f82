import Bytes
import Compression
public import Configuration
import HTTP
import HTTPClient
public import OTLP
public import Pipeline
import Platform
import Telemetry

/// `otlp_http`: hands telemetry on to another OTLP endpoint, byte for byte.
final class OTLPHTTPExporter: Exporter {
    private let senders: [Signal: HTTPSender]
    private let encoding: OTLPHTTPSettings.Encoding
    private let isCompressed: Bool
    private let environment: ComponentEnvironment
    private let unreadableResponses: Counter

    init(
        _ settings: OTLPHTTPSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) {
        let compressors = CompressorPool(
            settings.http.compression, level: settings.http.compressionLevel)
        var senders: [Signal: HTTPSender] = [:]
        for (signal, url) in settings.urls {
            senders[signal] = try HTTPSender(
                url, settings.http, contentType: settings.encoding.contentType,
                compressors: compressors)
        }
        self.senders = senders
        encoding = settings.encoding
        isCompressed = settings.http.compression != .identity
        self.environment = environment
        unreadableResponses = environment.metrics.counter(
            "sluice_exporter_unreadable_responses",
            help: "Successes whose body was no OTLP response: taken for accepted.",
            labels: ["exporter"]
        ).with(environment.id)
    }

    func export(_ lot: Lot) -> ExportOutcome {
        guard let first = lot.batches.first else { return .accepted() }
        precondition(
            lot.batches.allSatisfy { $0.signal == first.signal }, "BUG: a lot mixes signals")
        guard let sender = senders[first.signal] else {
            return .reject(because: "there is no endpoint for \(first.signal.name)")
        }
        // A request continues one trace: that of the first batch which came with one.
        let trace = lot.batches.lazy.compactMap(\.trace).first
        let body: [[UInt8]]
        do throws(WireError) {
            body = try self.body(of: lot, first.signal)
        } catch {
            return .unwritable(error)
        }
        do throws(HTTPClientError) {
            return outcome(try sender.post(body, continuing: trace), lot, first.signal)
        } catch {
            return ExportOutcome(error)
        }
    }

    func abort() { for sender in senders.values { sender.abort() } }
    func close() {}
    var encodes: Bool { encoding == .json || isCompressed }

    func trim() { for sender in senders.values { sender.trim() } }

    /// Requests of one signal are concatenated: protobuf merges repeated fields, so that the bytes
    /// of several requests are those of one with all their resources. Nothing is decoded.
    private func body(of lot: Lot, _ signal: Signal) throws(WireError) -> [[UInt8]] {
        let pieces = lot.batches.map(\.payload)
        guard encoding == .json else { return pieces }
        var json: [UInt8] = []
        try OTLPJSON.write(
            pieces.joinedBytes().rawSpan, as: signal, into: &json,
            outputBytesMax: lot.workBytesMax)
        return [json]
    }

    private func outcome(
        _ response: HTTPClientResponse, _ lot: Lot, _ signal: Signal
    ) -> ExportOutcome {
        switch response.status.code {
        case 200..<300: return success(response, lot, signal)
        // OTLP names exactly these as retryable.
        case 429, 502, 503, 504:
            return .retry(
                response, unixNanoseconds: environment.clock.unixNanoseconds,
                because: reason(response))
        case 300..<400:
            return .reject(
                because: "\(response.status): redirects are not followed; set the endpoint to "
                    + PrintableText.text(response.headers["Location"] ?? "where it leads"))
        case 413: return .tooLarge(because: reason(response))
        default: return .reject(because: reason(response))
        }
    }

    /// A success stays one when its body can't be read: sending again would store the data twice,
    /// and OTLP gives a client no other way to ask.
    private func success(
        _ response: HTTPClientResponse, _ lot: Lot, _ signal: Signal
    ) -> ExportOutcome {
        guard let answer = OTLPResponse(response, signal) else {
            unreadableResponses.add()
            environment.log.rateLimited.warn(
                "the destination's answer is no OTLP response; the request counts as accepted",
                LogField("status", response.status.code),
                LogField("content_type", PrintableText.text(response.mediaType)),
                LogField("body_bytes", response.body.count))
            return .accepted()
        }
        guard answer.rejectedItemCount > 0 else {
            if !answer.message.isEmpty {
                environment.log.rateLimited.warn(
                    "the destination warns", LogField("answer", answer.message))
            }
            return .accepted()
        }
        return .accepted(
            rejectedItemCount: min(answer.rejectedItemCount, lot.itemCount),
            message: answer.message)
    }

    private func reason(_ response: HTTPClientResponse) -> String {
        let words = OTLPResponse.failure(response)
        return words.isEmpty ? "\(response.status)" : "\(response.status): \(words)"
    }
}

public enum OTLPHTTPExporterFactory: ExporterFactory {
    public static let type = "otlp_http"
    public static let aliases = ["otlphttp"]

    public static func read(_ reader: inout MappingReader) -> OTLPHTTPSettings {
        OTLPHTTPSettings(&reader)
    }

    public static func signals(_ settings: OTLPHTTPSettings) -> Set<Signal> {
        settings.faultySignals.union(settings.urls.keys)
    }

    public static func delivery(_ settings: OTLPHTTPSettings) -> DeliverySettings {
        settings.delivery
    }

    public static func make(
        _ settings: OTLPHTTPSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter {
        try OTLPHTTPExporter(settings, environment)
    }
}
