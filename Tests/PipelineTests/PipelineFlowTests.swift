import Testing

@testable import Pipeline

@Suite struct PipelineFlowTests {
    private let sampler = PipelineFlow.Removal(processor: "sampler", isSampling: true)

    private var passage: PipelineFlow.Passage {
        var passage = PipelineFlow.Passage(incoming: 10)
        passage.removed = [(by: sampler, items: 4)]
        return passage
    }

    @Test func whatIsAppendedAndWhatIsRemovedIsAccepted() {
        let flow = PipelineFlow()
        flow.beginAppending(6)
        #expect(flow.counts.accepted == 0 && flow.counts.appending == 6)
        flow.endAppending(6, of: passage, isKept: true)
        let counts = flow.counts
        #expect(counts.accepted == 10 && counts.appended == 6 && counts.appending == 0)
        #expect(counts.removed == [sampler: 4])
    }

    @Test func whatTheLogCouldNotKeepIsRefusedAsItCame() {
        let flow = PipelineFlow()
        flow.beginAppending(6)
        flow.endAppending(6, of: passage, isKept: false)
        let counts = flow.counts
        #expect(counts.refused == 10 && counts.accepted == 0 && counts.appended == 0)
        #expect(counts.removed.isEmpty)
    }
}
