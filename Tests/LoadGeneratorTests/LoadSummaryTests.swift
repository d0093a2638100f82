import OTLP
import Platform
import Testing

@testable import LoadGenerator

struct LoadSummaryTests {
    @Test func `Quantiles are right within a sixteenth`() throws {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        for milliseconds in 1...1_000 { histogram.observe(.milliseconds(milliseconds)) }
        for share in [0.001, 0.5, 0.99, 1] {
            let quantile = try #require(histogram.quantile(share)).seconds
            #expect((1.0...1.0626).contains(quantile / share))
        }
        histogram.observe(.seconds(1_000_000))
        #expect(try #require(histogram.quantile(1)).seconds > 60_000)
        var small = LatencyHistogram()
        small.observe(.nanoseconds(3_500))
        #expect(small.quantile(0.5) == .microseconds(4))
    }

    @Test func `The last line tells it all`() {
        var summary = LoadSummary(.metrics)
        summary.acceptedItems = 1_500
        summary.rejectedItems = 2
        summary.sentBytes = 2_345_678
        summary.statuses = [200: 15, 503: 1]
        summary.retries = 1
        summary.latency.observe(.microseconds(10))
        summary.elapsed = .milliseconds(1_500)
        #expect(
            summary.description
                == "sent 1500 metric points in 1.50 s (1000 a second); rejected 2; failed 0; "
                + "unsent 0; latency p50 0.01 ms, p99 0.01 ms; 2.35 MB; retries 1; "
                + "status 200: 15; status 503: 1")
    }
}
