import OTLP
import Pipeline
import Testing

@testable import Processors

struct ResourceDetectionTests {
    private static func sources(
        _ environment: [String: String] = [:], files: [String: String] = [:],
        canonicalName: String? = nil
    ) -> DetectionSources {
        DetectionSources(
            environment: { environment[$0] }, file: { files[$0] }, hostName: { "box" },
            canonicalName: { _, _ in canonicalName })
    }

    private static func detected(
        _ yaml: String, _ sources: DetectionSources
    ) -> [String: String] {
        let settings = reading(yaml, ResourceDetectionFactory.read).value
        var detection = Detection(settings, sources)
        detection.run()
        return Dictionary(
            uniqueKeysWithValues: detection.attributes.list.map { ($0.key, $0.value) })
    }

    @Test(arguments: [
        ("a=1,b=2", ["a": "1", "b": "2"]),
        (" a = 1 , b=x%2Cy%3D%25 ,", ["a": "1", "b": "x,y=%"]), ("k=%C3%A4", ["k": "ä"]),
        ("a=b=c", ["a": "b=c"]), ("", [:]), ("a", [:]), ("a=1,b=%2", [:]), ("a=%FF", [:]),
        ("=1", [:]),
    ])
    func `The variable is read as the specification has it`(
        _ text: String, _ expected: [String: String]
    ) {
        let found = Self.detected(
            "detectors: [env]", Self.sources(["OTEL_RESOURCE_ATTRIBUTES": text]))
        #expect(found == expected)
    }

    @Test func `The service's own variable goes first`() {
        let found = Self.detected(
            "detectors: [env]",
            Self.sources([
                "OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "service.name=no,x=y",
            ]))
        #expect(found == ["service.name": "shop", "x": "y"])
    }

    @Test func `The system is known by name and type unless more is asked for`() {
        #expect(
            Self.detected("detectors: [system]", Self.sources())
                == ["host.name": "box", "os.type": "linux"])
        #expect(
            Self.detected("detectors: [system]", Self.sources(canonicalName: "box.example."))
                == ["host.name": "box.example", "os.type": "linux"])
        let yaml = """
            detectors: [system]
            system:
              hostname_sources: [os]
              resource_attributes:
                host.id: {enabled: true}
                host.arch: {enabled: true}
                os.description: {enabled: true}
                os.type: {enabled: false}
            """
        let found = Self.detected(
            yaml,
            Self.sources(
                files: [
                    "/etc/machine-id": "0123abcd\n",
                    "/etc/os-release": "NAME=Debian\nPRETTY_NAME=\"Debian 12\"\n",
                ], canonicalName: "no"))
        #expect(
            found == [
                "host.name": "box", "host.id": "0123abcd", "host.arch": Detection.architecture,
                "os.description": "Debian 12",
            ])
    }

    private static let id = String(repeating: "0123456789abcdef", count: 4)

    @Test(arguments: [
        (
            "/proc/self/mountinfo",
            "9 8 0:1 /var/lib/docker/containers/\(id)/hostname /etc/hostname rw - ext4 x rw\n"
        ),
        ("/proc/self/cgroup", "3:cpu:/docker/\(id)\n"),
        ("/proc/self/cgroup", "0::/system.slice/docker-\(id).scope\n"),
        ("/proc/self/cgroup", "1:name=systemd:/kubepods/pod1/cri-containerd-\(id).scope"),
    ])
    func `A container's id is found in both versions of control groups`(
        _ file: String, _ text: String
    ) {
        let found = Self.detected(
            "detectors: [container]", Self.sources(files: [file: text]))
        #expect(found == ["container.id": Self.id])
    }

    @Test func `Outside a container there is no id`() {
        let found = Self.detected(
            "detectors: [container]", Self.sources(files: ["/proc/self/cgroup": "0::/init.scope\n"])
        )
        #expect(found.isEmpty)
    }

    @Test func `Kubernetes is known by the downward API's variables`() {
        let variables = [
            "K8S_NODE_NAME": "n", "POD_NAME": "p", "K8S_POD_UID": "u", "K8S_NAMESPACE_NAME": "s",
            "K8S_CONTAINER_NAME": "c", "MY_NODE": "mine",
        ]
        #expect(
            Self.detected("detectors: [k8s]", Self.sources(variables)) == [
                "k8s.node.name": "n", "k8s.pod.name": "p", "k8s.pod.uid": "u",
                "k8s.namespace.name": "s", "k8s.container.name": "c",
            ])
        #expect(
            Self.detected(
                "{detectors: [k8snode], k8snode: {node_from_env_var: MY_NODE}}",
                Self.sources(variables)) == ["k8s.node.name": "mine"])
    }

    @Test(arguments: [("true", "found"), ("false", "kept")])
    func `What a resource has is overridden unless that is off`(
        _ overrides: String, _ expected: String
    ) throws {
        let settings = reading(
            "{detectors: [env], override: \(overrides)}", ResourceDetectionFactory.read
        ).value
        let processor = ResourceDetection(
            settings, Bench().environment,
            Self.sources(["OTEL_RESOURCE_ATTRIBUTES": "a=found,b=new"]))
        for signal in Signal.allCases {
            var batch = batch(
                signal, [Group(resource: [Pair("a", .string("kept"))], items: [Item()])])
            try processor.process(&batch, RequestContext(receivedAt: 0))
            #expect(
                batch.groups[0].resource
                    == [Pair("a", .string(expected)), Pair("b", .string("new"))])
        }
    }

    @Test(arguments: [
        ("detectors: [ec2]", "ec2 asks a network service and is not built"),
        ("detectors: [sytem]", "unknown detector 'sytem'"),
        ("{detectors: [system], system: {hostname_sources: [lookup]}}", "lookup is not built"),
        (
            "{detectors: [env], system: {resource_attributes: {host.ip: {enabled: true}}}}",
            "\"host.ip\": is not built"
        ),
    ])
    func `What is not built is said`(_ yaml: String, _ message: String) {
        let report = reading(yaml, ResourceDetectionFactory.read).report
        #expect(report.contains(message), "\(report)")
    }
}
