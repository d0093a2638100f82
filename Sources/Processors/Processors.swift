public import Pipeline

/// The processors that a configuration can name.
public enum Processors {
    public static let all: [any ProcessorFactory.Type] = [
        AttributesProcessorFactory.self,
        BatchProcessorFactory.self,
        MemoryLimiterFactory.self,
        ProbabilisticSamplerFactory.self,
        ResourceDetectionFactory.self,
        ResourceProcessorFactory.self,
        SpanLimitsFactory.self,
    ]
}
