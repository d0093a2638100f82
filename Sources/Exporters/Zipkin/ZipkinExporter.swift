public import Configuration
import HTTP
import HTTPClient
public import OTLP
public import Pipeline
import Platform
import Telemetry

/// `zipkin`: spans in Zipkin's v2 JSON, to Zipkin or whatever understands it.
final class ZipkinExporter: Exporter {
    private let sender: HTTPSender
    private let defaultServiceName: String
    private let clock: any Clock
    private let omittedTags: Counter
    private let log: Logger

    init(_ settings: ZipkinSettings, _ environment: ComponentEnvironment) throws(ComponentError) {
        guard let url = settings.url else { throw ComponentError("endpoint is required") }
        let compressors = CompressorPool(
            settings.http.compression, level: settings.http.compressionLevel)
        sender = try HTTPSender(
            url, settings.http, contentType: "application/json", compressors: compressors)
        defaultServiceName = settings.defaultServiceName
        clock = environment.clock
        log = environment.log
        omittedTags = environment.metrics.counter(
            "sluice_exporter_omitted_tags",
            help: "Attributes of resources that spans do not repeat as tags: together they would "
                + "be many times the request.",
            labels: ["exporter"]
        ).with(environment.id)
    }

    func export(_ lot: Lot) -> ExportOutcome {
        let bytesMax = min(lot.workBytesMax, ZipkinText.bytesMaxStandard)
        var text = ZipkinText(defaultServiceName: defaultServiceName, bytesMax: bytesMax)
        var index = TelemetryIndex()
        do throws(WireError) {
            for batch in lot.batches {
                try batch.index(into: &index, bytesMax: lot.workBytesMax)
                text.append(batch.payload, index)
            }
        } catch {
            return .unreadable(error)
        }
        guard !text.isTooLarge else {
            let reason = "more than \(bytesMax) bytes as Zipkin's JSON"
            return bytesMax < ZipkinText.bytesMaxStandard
                ? .needsMemory(because: reason) : .tooLarge(because: reason)
        }
        let rejectedSpanCount = text.rejectedSpanCount
        if text.omittedTagCount > 0 {
            omittedTags.add(text.omittedTagCount)
            log.rateLimited.warn(
                "spans share more attributes of their resource than each can repeat as tags",
                LogField("omitted", text.omittedTagCount))
        }
        let trace = lot.batches.lazy.compactMap(\.trace).first
        do throws(HTTPClientError) {
            let response = try sender.post([text.finish()], continuing: trace)
            return outcome(response, rejectedSpanCount)
        } catch {
            return ExportOutcome(error)
        }
    }

    func abort() { sender.abort() }
    func close() {}
    func trim() { sender.trim() }

    /// Zipkin has no table of retryable codes. A failing storage shows as 500, so that every 5xx
    /// is tried again; a request that it calls wrong stays wrong.
    private func outcome(
        _ response: HTTPClientResponse, _ rejectedSpanCount: Int
    ) -> ExportOutcome {
        let words = response.words
        let reason = words.isEmpty ? "\(response.status)" : "\(response.status): \(words)"
        switch response.status.code {
        case 200..<300:
            return .accepted(
                rejectedItemCount: rejectedSpanCount,
                message: rejectedSpanCount > 0 ? "a trace id or span id is zero" : nil)
        case 408, 429, 500..<600:
            return .retry(
                response, unixNanoseconds: clock.unixNanoseconds, because: reason)
        case 413: return .tooLarge(because: reason)
        default: return .reject(because: reason)
        }
    }
}

public enum ZipkinExporterFactory: ExporterFactory {
    public static let type = "zipkin"
    public static let signals: Set<Signal> = [.traces]

    public static func read(_ reader: inout MappingReader) -> ZipkinSettings {
        ZipkinSettings(&reader)
    }

    public static func delivery(_ settings: ZipkinSettings) -> DeliverySettings {
        settings.delivery
    }

    public static func make(
        _ settings: ZipkinSettings, _ environment: ComponentEnvironment
    ) throws(ComponentError) -> any Exporter {
        try ZipkinExporter(settings, environment)
    }
}
