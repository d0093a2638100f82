// swift-tools-version: 6.2
import PackageDescription

// The layers of docs/ARCHITECTURE.md, lowest first. A target may import only what it names here:
// the Makefile builds with `--explicit-target-dependency-import-check error`.

let checks: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

// The product uses none of Swift's regular expressions; the import that is implied links a megabyte.
let productChecks =
    checks + [.unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"])]

func library(
    _ name: String, uses dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: productChecks)
}

func tests(
    _ name: String, uses dependencies: [Target.Dependency], resources: [Resource] = []
) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.init(stringLiteral: name)] + dependencies,
        resources: resources, swiftSettings: checks)
}

func system(_ name: String, pkgConfig: String, package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["sluice"]),
        .library(name: "OTLP", targets: ["OTLP"]),
        // For Benchmarks/, which is a package of its own; not an interface for others.
        .library(
            name: "SluiceComponents",
            targets: [
                "Bytes", "Exporters", "LoadGenerator", "OTLP", "Pipeline", "Platform", "Telemetry",
            ]),
    ],
    targets: [
        system("CZlib", pkgConfig: "zlib", package: "zlib1g-dev"),
        system("CDeflate", pkgConfig: "libdeflate", package: "libdeflate-dev"),
        system("CZstd", pkgConfig: "libzstd", package: "libzstd-dev"),
        system("CSnappy", pkgConfig: "snappy", package: "libsnappy-dev"),
        system("CLZ4", pkgConfig: "liblz4", package: "liblz4-dev"),
        system("CSQLite", pkgConfig: "sqlite3", package: "libsqlite3-dev"),
        system("CYAML", pkgConfig: "yaml-0.1", package: "libyaml-dev"),
        system("CPCRE2", pkgConfig: "libpcre2-8", package: "libpcre2-dev"),
        // Not linked: it is loaded where it is used, and pkg-config would link it.
        .systemLibrary(name: "CPostgreSQL", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CShims"),

        library("Bytes", uses: ["CShims"]),
        library("OTLP", uses: ["Bytes"]),
        library("Platform", uses: ["CShims", "Bytes"]),
        library("Configuration", uses: ["CYAML", "Bytes", "Platform"]),
        library("Telemetry", uses: ["Bytes", "OTLP", "Platform"]),
        library(
            "Compression", uses: ["CZlib", "CDeflate", "CZstd", "CSnappy", "CLZ4", "Bytes"]),
        library("DurableLog", uses: ["CShims", "Bytes", "Platform", "Compression"]),
        library("HTTP", uses: ["Bytes"]),
        library("EventLoop", uses: ["CShims", "Bytes", "Platform"]),
        library("HTTPServer", uses: ["Bytes", "Platform", "Telemetry", "HTTP", "EventLoop"]),
        library("HTTPClient", uses: ["Bytes", "Platform", "HTTP"]),
        library(
            "Pipeline",
            uses: ["Bytes", "OTLP", "Platform", "Configuration", "Telemetry", "DurableLog"]),
        library(
            "Receivers",
            uses: [
                "Bytes", "OTLP", "Platform", "Configuration", "Telemetry", "Compression", "HTTP",
                "EventLoop", "HTTPServer", "Pipeline",
            ],
            exclude: ["Nop/README.md", "OTLP/README.md"]),
        library(
            "Processors",
            uses: [
                "CPCRE2", "Bytes", "OTLP", "Platform", "Configuration", "Telemetry", "Pipeline",
            ],
            exclude: [
                "Attributes", "Batch", "MemoryLimiter", "ProbabilisticSampler", "Resource",
                "ResourceDetection", "SpanLimits",
            ].map { "\($0)/README.md" }),
        .target(
            name: "PostgresSchema", resources: [.embedInCode("SQL")], swiftSettings: productChecks),
        library(
            "Exporters",
            uses: [
                "CPostgreSQL", "CSQLite", "Bytes", "OTLP", "Platform", "Configuration",
                "Telemetry", "Compression", "DurableLog", "HTTP", "HTTPClient", "Pipeline",
                "PostgresSchema",
            ],
            exclude: [
                "Debug/README.md", "File/README.md", "Nop/README.md", "OTLPHTTP/README.md",
                "Postgres/README.md", "SQLite/README.md", "Zipkin/README.md",
            ]),
        library(
            "LoadGenerator",
            uses: [
                "Bytes", "OTLP", "Platform", "Compression", "HTTP", "EventLoop", "HTTPClient",
            ]),
        library(
            "Gateway",
            uses: [
                "Bytes", "OTLP", "Platform", "Configuration", "Telemetry", "Compression",
                "DurableLog",
                "HTTP", "EventLoop", "HTTPServer", "HTTPClient", "Pipeline", "Receivers",
                "Processors", "Exporters",
            ]),
        .executableTarget(
            name: "sluice",
            dependencies: [
                "Gateway", "Configuration", "Platform", "Telemetry", "Pipeline", "OTLP",
                "Compression", "HTTP", "HTTPClient", "LoadGenerator", "Bytes", "DurableLog",
                "Exporters",
            ],
            swiftSettings: productChecks),

        tests("Bytes", uses: []),
        tests("OTLP", uses: ["Bytes"]),
        .executableTarget(
            name: "CrashHelper", dependencies: ["Platform"], path: "Tests/CrashHelper",
            swiftSettings: checks),
        .testTarget(
            name: "PlatformTests", dependencies: ["Platform", "CrashHelper"],
            swiftSettings: checks),
        tests("Configuration", uses: []),
        tests("Telemetry", uses: ["Bytes", "Platform", "OTLP"]),
        tests("Compression", uses: ["Bytes"]),
        tests("DurableLog", uses: ["Bytes", "Platform"]),
        tests("HTTP", uses: ["Bytes"]),
        tests("HTTPServer", uses: ["EventLoop", "HTTP", "Platform", "Telemetry"]),
        tests("HTTPClient", uses: ["HTTP", "Platform"]),
        tests(
            "Pipeline",
            uses: ["Bytes", "OTLP", "Configuration", "DurableLog", "Platform", "Telemetry"]),
        tests(
            "Receivers",
            uses: [
                "Bytes", "OTLP", "Platform", "Configuration", "Telemetry", "Compression",
                "DurableLog", "HTTP", "EventLoop", "HTTPServer", "Pipeline",
            ]),
        tests(
            "Processors",
            uses: ["OTLP", "Configuration", "Pipeline", "Platform", "Telemetry", "Bytes"]),
        tests("PostgresSchema", uses: []),
        tests(
            "Exporters",
            uses: [
                "CSQLite", "Bytes", "OTLP", "Platform", "Configuration", "Telemetry",
                "Compression", "HTTP", "HTTPClient", "Pipeline",
            ]),
        tests(
            "LoadGenerator",
            uses: ["Bytes", "OTLP", "Platform", "Compression", "HTTP", "HTTPClient"]),
        tests("Gateway", uses: ["Configuration", "OTLP", "Platform", "Telemetry"]),
    ]
)
