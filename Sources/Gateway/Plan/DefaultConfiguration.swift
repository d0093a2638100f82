extension GatewayPlan {
    /// What `sluice run` does without a configuration. `sluice print-config` prints it.
    public static let defaultConfiguration = """
        receivers:
          otlp:
            protocols:
              http:
                endpoint: localhost:4318

        exporters:
          sqlite:
            path: ./sluice-data/sluice.db

        service:
          telemetry:
            traces:
              exporters: [sqlite]
          pipelines:
            traces:
              receivers: [otlp]
              exporters: [sqlite]
            metrics:
              receivers: [otlp]
              exporters: [sqlite]
            logs:
              receivers: [otlp]
              exporters: [sqlite]
        """
}
