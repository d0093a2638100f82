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
    /// Variables of AWS Lambda's runtime.
    case lambda
    /// Variables of a dyno.
    case heroku
    /// The file that AWS Elastic Beanstalk leaves for X-Ray.
    case elasticBeanstalk = "elasticbeanstalk"
    /// The file that Dynatrace's OneAgent leaves.
    case dynatrace

    /// Detectors of the Collector that ask a network service. Away from it they find nothing there,
    /// and nothing anywhere here.
    static let unsupported: Set<String> = [
        "akamai", "aks", "alibaba_ecs", "azure", "azureappservice", "azurecontainerapps",
        "azurefunctions", "consul", "digitalocean", "ec2", "ecs", "eks", "gce", "gcp", "gke",
        "hetzner", "ibmcloud_classic", "ibmcloud_vpc", "kubeadm", "linode", "nova", "openshift",
        "oraclecloud", "scaleway", "tencent_cvm", "upcloud", "vultr",
    ]

    /// As a configuration names it; one has two names.
    init?(name: String) {
        self.init(rawValue: name == "elastic_beanstalk" ? "elasticbeanstalk" : name)
    }
}

enum DetectedValue: Sendable, Equatable {
    case string(String)
    case int(Int64)
    case strings([String])

    /// The body of an `AnyValue`.
    var encoded: [UInt8] {
        switch self {
        case .string(let text): EncodedValue.string(text)
        case .int(let number): EncodedValue.int(number)
        case .strings(let texts): EncodedValue.list(texts.map { EncodedValue.string($0) })
        }
    }

    fileprivate var isEmpty: Bool {
        switch self {
        case .string(let text): text.isEmpty
        case .int: false
        case .strings(let texts): texts.isEmpty
        }
    }
}

/// Detected attributes in order; the first to name one keeps it.
struct DetectedAttributes: Sendable, Equatable {
    private(set) var list: [(key: String, value: DetectedValue)] = []
    /// Of the detector at work, those that were turned off.
    var hidden: Set<String> = []

    mutating func add(_ key: String, _ text: String?) {
        if let text { add(key, .string(text)) }
    }

    mutating func add(_ key: String, _ value: DetectedValue) {
        guard !value.isEmpty, !hidden.contains(key), !list.contains(where: { $0.key == key })
        else { return }
        list.append((key, value))
    }

    static func == (left: DetectedAttributes, right: DetectedAttributes) -> Bool {
        left.list.elementsEqual(right.list) { $0 == $1 }
    }
}
