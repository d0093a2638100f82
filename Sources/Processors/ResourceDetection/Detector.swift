/// What can be asked about the place that the gateway runs in.
enum Detector: String, Sendable, CaseIterable {
    /// `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`.
    case environment = "env"
    case system
    /// The container's id, from the kernel's list of mounts or control groups.
    case container
    /// The same: the engine's API, which the Collector asks, is not.
    case docker
    /// Variables that the downward API puts into the environment.
    case kubernetes = "k8s"
    /// The name of the node alone, as the Collector calls it, old and new.
    case kubernetesNode = "k8snode"
    case kubernetesAPI = "k8s_api"

    /// Detectors of the Collector that ask a network service, and what to do without them.
    static let unsupported: Set<String> = [
        "akamai", "aks", "alibaba_ecs", "azure", "azurecontainerapps", "consul", "digitalocean",
        "dynatrace", "ec2", "ecs", "eks", "elasticbeanstalk", "gce", "gcp", "gke", "heroku",
        "hetzner", "ibmcloud_classic", "ibmcloud_vpc", "kubeadm", "lambda", "nova", "openshift",
        "oraclecloud", "scaleway", "tencent_cvm", "upcloud", "vultr",
    ]
}

/// Detected attributes in order; the first to name one keeps it.
struct DetectedAttributes: Sendable, Equatable {
    private(set) var list: [(key: String, value: String)] = []

    mutating func add(_ key: String, _ value: String?) {
        guard let value, !value.isEmpty, !list.contains(where: { $0.key == key }) else { return }
        list.append((key, value))
    }

    static func == (left: DetectedAttributes, right: DetectedAttributes) -> Bool {
        left.list.elementsEqual(right.list) { $0 == $1 }
    }
}
