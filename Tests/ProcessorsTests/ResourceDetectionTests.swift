import OTLP
import Pipeline
import Testing

@testable import Processors

struct ResourceDetectionTests {
    private static func sources(
        _ environment: [String: String] = [:], files: [String: String] = [:],
        canonicalName: String? = nil, reverseName: String? = nil
    ) -> DetectionSources {
        DetectionSources(
            environment: { environment[$0] }, file: { files[$0] }, hostName: { "box" },
            canonicalName: { _, _ in canonicalName }, reverseName: { _, _ in reverseName },
            interfaces: {
                [
                    NetworkInterface(name: "eth0", addresses: ["10.0.0.2", "fe80::1"]),
                    NetworkInterface(name: "tun0", addresses: []),
                ]
            })
    }

    private static func detected(
        _ yaml: String, _ sources: DetectionSources
    ) -> [String: String] {
        let settings = reading(yaml, ResourceDetectionFactory.read).value
        var detection = Detection(settings, sources)
        detection.run()
        return Dictionary(
            uniqueKeysWithValues: detection.attributes.list.map { key, value in
                switch value {
                case .string(let text): (key, text)
                case .int(let number): (key, "int \(number)")
                case .strings(let texts): (key, texts.joined(separator: " "))
                }
            })
    }

    @Test func `The network and the processor are known when asked for`() {
        let names = [
            "host.ip", "host.mac", "host.interface", "host.cpu.vendor.id", "host.cpu.family",
            "host.cpu.model.id", "host.cpu.model.name", "host.cpu.stepping",
            "host.cpu.cache.l2.size", "os.build.id",
        ]
        let switches = names.map { "      \($0): {enabled: true}" }.joined(separator: "\n")
        let cpu = """
            processor\t: 0
            vendor_id\t: GenuineIntel
            cpu family\t: 6
            model\t\t: 106
            model name\t: Intel(R) Xeon(R): 8375C
            stepping\t: 6
            cache size\t: 512 KB

            processor\t: 1
            vendor_id\t: other
            """
        let found = Self.detected(
            """
            detectors: [system]
            system:
              hostname_sources: [lookup]
              resource_attributes:
            \(switches)
            """,
            Self.sources(
                files: [
                    "/sys/class/net/eth0/address": "02:42:ac:11:00:02\n", "/proc/cpuinfo": cpu,
                    "/etc/os-release": "BUILD_ID=rolling\n",
                ], reverseName: "box.example."))
        #expect(
            found == [
                "host.name": "box.example", "os.type": "linux", "host.ip": "10.0.0.2 fe80::1",
                "host.mac": "02-42-AC-11-00-02", "host.interface": "eth0 tun0",
                "host.cpu.vendor.id": "GenuineIntel", "host.cpu.family": "6",
                "host.cpu.model.id": "106", "host.cpu.model.name": "Intel(R) Xeon(R): 8375C",
                "host.cpu.stepping": "6", "host.cpu.cache.l2.size": "int 524288",
                "os.build.id": "rolling",
            ])
    }

    @Test func `Platforms are known by their variables and files, and away from them not at all`() {
        let all = "detectors: [lambda, heroku, elastic_beanstalk, dynatrace]"
        #expect(Self.detected(all, Self.sources()).isEmpty)
        let lambda = [
            "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_REGION": "r", "AWS_LAMBDA_FUNCTION_VERSION": "3",
            "AWS_LAMBDA_LOG_STREAM_NAME": "s", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "g",
        ]
        #expect(
            Self.detected(
                """
                detectors: [lambda]
                lambda: {resource_attributes: {faas.max_memory: {enabled: false}}}
                """, Self.sources(lambda)) == [
                    "cloud.provider": "aws", "cloud.platform": "aws_lambda", "cloud.region": "r",
                    "faas.name": "f", "faas.version": "3", "faas.instance": "s",
                    "aws.log.group.names": "g", "aws.log.stream.names": "s",
                ])
        #expect(
            Self.detected(
                "detectors: [heroku]",
                Self.sources(["HEROKU_DYNO_ID": "d", "HEROKU_APP_NAME": "shop"])) == [
                    "cloud.provider": "heroku", "service.instance.id": "d", "service.name": "shop",
                ])
        let beanstalk = #"{"deployment_id": 7, "environment_name": "prod", "version_label": "v1"}"#
        #expect(
            Self.detected(
                "detectors: [elasticbeanstalk]",
                Self.sources(files: ["/var/elasticbeanstalk/xray/environment.conf": beanstalk]))
                == [
                    "cloud.provider": "aws", "cloud.platform": "aws_elastic_beanstalk",
                    "service.instance.id": "7", "deployment.environment": "prod",
                    "service.version": "v1",
                ])
    }

    @Test func `Detectors that would ask a network find nothing, with one warning`() {
        let yaml = """
            detectors: [env, system, ec2, gcp, azure]
            ec2: {tags: [a]}
            gcp: {resource_attributes: {cloud.zone: {enabled: true}}}
            max_idle_conns: 5
            """
        let report = reading(yaml, ResourceDetectionFactory.read).report
        #expect(!report.contains("error"))
        #expect(report.contains("ec2, gcp, azure would ask a network service"))
        #expect(report.split(separator: "\n").count == 3)
        #expect(Self.detected("detectors: [ec2]", Self.sources()).isEmpty)
    }

    @Test func `This machine's interfaces can be read`() {
        for interface in DetectionSources.machine.interfaces() {
            #expect(!interface.name.isEmpty && interface.name != "lo")
            #expect(interface.addresses.allSatisfy { !$0.contains("%") && !$0.isEmpty })
        }
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
        ("detectors: [sytem]", "unknown detector 'sytem'"),
        ("{detectors: [system], system: {hostname_sources: [dsn]}}", "os, dns, cname or lookup"),
        (
            "{detectors: [env], system: {resource_attributes: {host.cup: {enabled: true}}}}",
            "unknown key"
        ),
    ])
    func `What is not known is said`(_ yaml: String, _ message: String) {
        let report = reading(yaml, ResourceDetectionFactory.read).report
        #expect(report.contains(message), "\(report)")
    }
}
