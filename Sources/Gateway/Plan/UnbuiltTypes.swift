/// The Collector's component types that are not built, each with what to do instead.
///
/// The Collector spells many types anew with underscores, and knows the old spelling too: each
/// entry here stands for both.
enum UnbuiltTypes {
    static let receivers = bothSpellings([
        "zipkin": "isn't built yet; send OTLP to the 'otlp' receiver",
        "jaeger": "isn't built; Jaeger's clients are retired, send OTLP to 'otlp'",
        "kafka": "isn't built yet; send OTLP to the 'otlp' receiver",
        "opencensus": "isn't built; OpenCensus is retired, send OTLP to 'otlp'",
        "prometheus": "isn't built; scrape with a Prometheus agent that exports OTLP",
        "prometheus_simple": "isn't built; scrape with a Prometheus agent that exports OTLP",
        "prometheus_remote_write": "isn't built; let Prometheus export OTLP to 'otlp'",
        "fluent_forward": "isn't built; let the agent export OTLP to 'otlp'",
        "receiver_creator": "isn't built; run a Collector agent that exports OTLP to 'otlp'",
        "otlp_json_file": "isn't built; send OTLP to the 'otlp' receiver",
        "loki": "isn't built; let the agent export OTLP to 'otlp'",
        "otel_arrow": "isn't built; send OTLP to the 'otlp' receiver",
    ]).merging(
        bothSpellings(
            Dictionary(
                uniqueKeysWithValues: agents.map {
                    ($0, "isn't built; run a Collector agent that exports OTLP to 'otlp'")
                }))
    ) { own, _ in own }

    /// Receivers that read the machine or ask a program: an agent's work, not a gateway's.
    private static let agents = [
        "host_metrics", "file_log", "file_stats", "kubelet_stats", "k8s_cluster", "k8s_events",
        "k8s_objects", "docker_stats", "podman_stats", "journald", "syslog", "tcp_log", "udp_log",
        "named_pipe", "statsd", "collectd", "carbon", "wavefront", "influxdb", "snmp", "http_check",
        "tcp_check", "redis", "mysql", "postgresql", "mongodb", "nginx", "apache", "rabbitmq",
        "elasticsearch", "kafka_metrics", "memcached", "zookeeper", "sql_query", "aws_xray",
        "aws_cloudwatch", "aws_ecs_container_metrics", "aws_container_insight", "azure_monitor",
        "azure_event_hub", "google_cloud_pubsub", "google_cloud_monitoring", "datadog",
        "splunk_hec",
        "signalfx", "sapm", "skywalking", "webhook_event", "windows_event_log",
        "windows_perf_counters", "vcenter", "chrony", "github", "jmx", "iis", "sqlserver",
        "oracledb", "haproxy", "couchdb", "flink_metrics", "pulsar", "solace", "netflow", "faro",
    ]

    static let processors = bothSpellings([
        "tail_sampling": "isn't built yet; 'probabilistic_sampler' samples at the head",
        "filter": "isn't built yet; 'attributes' and 'probabilistic_sampler' are",
        "transform": "isn't built yet; 'attributes' and 'resource' change attributes",
        "k8s_attributes": "isn't built; 'resourcedetection' reads the downward API",
        "group_by_trace": "isn't built yet",
        "group_by_attrs": "isn't built yet; 'resource' changes the resource that is there",
        "redaction": "isn't built yet; 'attributes' deletes and hashes attributes",
        "metrics_transform": "isn't built yet; 'attributes' changes attributes of data points",
        "metrics_generation": "isn't built yet",
        "cumulative_to_delta": "isn't built yet; the destination has to take cumulative sums",
        "delta_to_cumulative": "isn't built yet; the destination has to take delta sums",
        "delta_to_rate": "isn't built yet",
        "span": "isn't built yet; 'attributes' changes a span's attributes",
        "span_metrics": "isn't built; the 'postgres' exporter keeps rates and durations by itself",
        "signoz_span_metrics": "isn't built; the 'postgres' exporter keeps rates and durations",
        "queued_retry": "was dropped by the Collector; remove it: every exporter has a queue and "
            + "retries",
        "routing": "isn't built yet; use one pipeline for each destination",
        "interval": "isn't built yet",
        "log_dedup": "isn't built yet",
        "schema": "isn't built yet",
        "geoip": "isn't built yet",
        "remote_tap": "isn't built; 'sluice log' shows what passes",
    ])

    static let exporters = bothSpellings([
        "otlp": "is OTLP/gRPC, which isn't built yet; use 'otlp_http'",
        "otlp_grpc": "is OTLP/gRPC, which isn't built yet; use 'otlp_http'",
        "jaeger": "isn't built; Jaeger takes OTLP, use 'otlp_http'",
        "jaeger_thrift": "isn't built; Jaeger takes OTLP, use 'otlp_http'",
        "kafka": "isn't built yet; use 'otlp_http'",
        "prometheus": "isn't built; use 'otlp_http', which Prometheus takes",
        "prometheus_remote_write": "isn't built; use 'otlp_http', which Prometheus takes",
        "loki": "isn't built; use 'otlp_http', which Loki takes at /otlp",
        "load_balancing": "isn't built yet; use 'otlp_http' and a balancer",
        "opencensus": "isn't built; OpenCensus is retired, use 'otlp_http'",
        "clickhouse": "isn't built; 'postgres' and 'sqlite' store, 'otlp_http' forwards",
        "elasticsearch": "isn't built; use 'otlp_http', which Elasticsearch takes at /_otlp",
        "opensearch": "isn't built; use 'otlp_http'",
        "google_cloud": "isn't built; use 'otlp_http' to a Collector that has it",
        "google_managed_prometheus": "isn't built; use 'otlp_http' to a Collector that has it",
        "azure_monitor": "isn't built; use 'otlp_http' to a Collector that has it",
        "aws_xray": "isn't built; use 'otlp_http' to a Collector that has it",
        "aws_emf": "isn't built; use 'otlp_http' to a Collector that has it",
        "aws_s3": "isn't built; 'file' writes OTLP/JSON that can be copied there",
        "datadog": "isn't built; use 'otlp_http' to the Datadog Agent",
        "signalfx": "isn't built; use 'otlp_http' to a Collector that has it",
        "sapm": "isn't built; use 'otlp_http'",
        "splunk_hec": "isn't built; use 'otlp_http' to a Collector that has it",
        "coralogix": "isn't built; use 'otlp_http' to its OTLP endpoint",
        "honeycomb_marker": "isn't built; use 'otlp_http' to Honeycomb's OTLP endpoint",
        "influxdb": "isn't built; use 'otlp_http' to a Collector that has it",
        "syslog": "isn't built; use 'otlp_http' to a Collector that has it",
    ])

    static let extensions = bothSpellings([
        "basic_auth": "isn't built yet; put an authenticating proxy before Sluice",
        "bearer_token_auth": "isn't built yet; set 'headers' of the exporter",
        "oauth2_client": "isn't built yet; set 'headers' of the exporter",
        "oidc": "isn't built yet; put an authenticating proxy before Sluice",
        "sigv4_auth": "isn't built; let a proxy sign what the exporter sends",
        "google_client_auth": "isn't built; let a proxy authenticate what the exporter sends",
        "headers_setter": "isn't built yet; set 'headers' of the exporter",
        "health_check_v2": "isn't built; 'health_check' is, beside /health and /ready",
        "db_storage": "isn't built; every queue is in the log: see service.log",
        "redis_storage": "isn't built; every queue is in the log: see service.log",
        "k8s_observer": "isn't built; run a Collector agent that discovers",
        "docker_observer": "isn't built; run a Collector agent that discovers",
        "host_observer": "isn't built; run a Collector agent that discovers",
        "ecs_observer": "isn't built; run a Collector agent that discovers",
        "opamp": "isn't built; a reload is SIGHUP",
        "http_forwarder": "isn't built; use a proxy",
    ])

    /// Extensions that change nothing for the telemetry: a configuration that names them runs.
    static let ignoredExtensions = [
        "memory_ballast": "there is no garbage collector",
        "pprof": "profile with perf or valgrind",
        "zpages": "see /ready and /metrics",
    ]

    static let connectors = bothSpellings([
        "span_metrics": "connectors aren't built yet; the 'postgres' exporter keeps rates and "
            + "durations by itself",
        "routing": "connectors aren't built yet; use one pipeline for each destination",
        "forward": "connectors aren't built yet; name the exporters in each pipeline",
    ])

    private static func bothSpellings(_ types: [String: String]) -> [String: String] {
        var spelled = types
        for (type, advice) in types { spelled[type.filter { $0 != "_" }] = advice }
        return spelled
    }
}
