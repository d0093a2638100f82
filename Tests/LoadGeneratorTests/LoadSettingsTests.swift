import HTTPClient
import OTLP
import Testing

@testable import LoadGenerator

struct LoadSettingsTests {
    @Test func `All problems of the settings are told at once`() throws {
        var settings = LoadSettings(
            .traces, endpoint: try HTTPURL(parsing: "http://localhost:4318"), seed: 1)
        #expect(settings.problems.isEmpty)
        settings.batch = 0
        settings.connections = -1
        settings.services = LoadSettings.servicesMax + 1
        settings.duration = .zero
        settings.rate = -1
        #expect(settings.problems.count == 5)
    }

    @Test(
        arguments: [
            ("http://h:1", "/v1/logs"), ("http://h:1/otel", "/otel/v1/logs"),
            ("http://h:1/v1/logs", "/v1/logs"),
        ] as [(String, String)])
    func `The signal's path is added to the endpoint`(endpoint: String, target: String) throws {
        let settings = LoadSettings(.logs, endpoint: try HTTPURL(parsing: endpoint), seed: 1)
        #expect(settings.url.target == target)
    }
}
