import Pipeline
import Synchronization

/// The counts of each pipeline that there has been since the start.
final class PipelineFlows: Sendable {
    private let flows = Mutex<[String: PipelineFlow]>([:])

    func flow(of pipeline: String) -> PipelineFlow {
        flows.withLock { flows in
            if let known = flows[pipeline] { return known }
            let made = PipelineFlow()
            flows[pipeline] = made
            return made
        }
    }
}
