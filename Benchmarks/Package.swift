// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that benchmarks never weigh on the product's build.

let package = Package(
    name: "sluice-benchmarks",
    dependencies: [.package(name: "sluice", path: "..")],
    targets: [
        .target(
            name: "BenchPayloads", dependencies: [.product(name: "OTLP", package: "sluice")],
            path: "BenchPayloads",
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("MemberImportVisibility"),
            ]),
        .executableTarget(
            name: "CodecBench",
            dependencies: [.product(name: "SluiceComponents", package: "sluice")],
            path: "CodecBench",
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("MemberImportVisibility"),
            ]),
        .executableTarget(
            name: "CodecTool", dependencies: [.product(name: "OTLP", package: "sluice")],
            path: "CodecTool",
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("MemberImportVisibility"),
            ]),
        .executableTarget(
            name: "RowBench",
            dependencies: ["BenchPayloads", .product(name: "SluiceComponents", package: "sluice")],
            path: "RowBench",
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("MemberImportVisibility"),
            ]),
        .executableTarget(
            name: "SQLiteBench",
            dependencies: ["BenchPayloads", .product(name: "SluiceComponents", package: "sluice")],
            path: "SQLiteBench", exclude: ["compare.py"],
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("MemberImportVisibility"),
            ]),
    ]
)
