import Configuration
import Testing

struct DiagnosticsTests {
    private func report(_ warnings: [(line: Int, key: String, message: String)]) -> [String] {
        let diagnostics = Diagnostics()
        for (line, key, message) in warnings {
            diagnostics.warning(
                at: SourcePosition(file: "c", line: line, column: 1), path: ConfigurationPath(key),
                message)
        }
        return diagnostics.report().split(separator: "\n").map(String.init)
    }

    @Test func `A warning that says the same of several places is one`() {
        #expect(
            report([(3, "c", "x"), (1, "a", "x"), (2, "b", "x"), (2, "b", "x"), (4, "d", "y")]) == [
                "c:1:1: warning: a: x (also at b and 1 more)", "c:4:1: warning: d: y",
            ])
        #expect(report([(1, "a", "x"), (2, "b", "x")]) == ["c:1:1: warning: a: x (also at b)"])
    }

    @Test func `Errors each keep their line`() {
        let diagnostics = Diagnostics()
        for line in 1...3 {
            diagnostics.error(at: SourcePosition(file: "c", line: line, column: 1), "x")
        }
        #expect(diagnostics.sorted.count == 3)
    }
}
