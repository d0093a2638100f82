import Configuration
import OTLP

extension ItemMatcher {
    private enum MatchType: String, CaseIterable { case strict, regexp }

    /// Reads `include` or `exclude`.
    static func read(_ reader: inout MappingReader) -> ItemMatcher {
        var matcher = ItemMatcher()
        matcher.given = MatchProperty.allCases.compactMap { property in
            let key = property.rawValue
            // A mapping of nothing is a severity with its defaults.
            guard reader.isGiven(key) || reader.node(key)?.entries != nil else { return nil }
            return GivenMatchProperty(
                property: property, position: reader.position(of: key),
                path: reader.path.appending(key))
        }
        if matcher.given.isEmpty {
            reader.miss(
                nil, "must have one property to match at least, such as services or attributes")
        }
        let type = readMatchType(&reader)
        matcher.hasPatterns = type == .regexp
        matcher.services = texts(.services, type, &reader)
        matcher.spanNames = texts(.spanNames, type, &reader)
        matcher.spanKinds = texts(.spanKinds, type, &reader)
        matcher.logBodies = texts(.logBodies, type, &reader)
        matcher.logSeverityTexts = texts(.logSeverityTexts, type, &reader)
        matcher.metricNames = texts(.metricNames, type, &reader)
        matcher.logSeverityNumber = reader.mapping("log_severity_number", null: .absent) {
            SeverityNumber(
                min: Int32($0.int("min", default: 0, in: Int(Int32.min)...Int(Int32.max))),
                matchesUndefined: $0.bool("match_undefined", default: false))
        }
        matcher.attributes = reader.list("attributes") { attribute(type, &$0) }
            .compactMap(\.self)
        matcher.resources = reader.list("resources") { attribute(type, &$0) }
            .compactMap(\.self)
        matcher.libraries = reader.list("libraries") { library(type, &$0) }
        checkKinds(matcher.spanKinds, reader)
        return matcher
    }

    /// What is wrong with it in a pipeline of the signal.
    func faults(for signal: Signal) -> [Diagnostics.Diagnostic] {
        given.compactMap { $0.fault(for: signal) }
    }

    private static func readMatchType(_ reader: inout MappingReader) -> MatchType {
        _ = reader.mapping("regexp", null: .absent) { cache in
            cache.ignored(
                "cacheenabled", "cachemaxnumentries",
                because: "matches are not cached: they cost less than the cache")
        }
        guard reader.isGiven("match_type") else {
            // Whether a key is there, or how severe a record is, needs no comparing of texts.
            if comparesTexts(&reader) {
                reader.miss("match_type", "is required: strict or regexp")
            }
            return .strict
        }
        return reader.oneOf("match_type", default: .strict)
    }

    private static func comparesTexts(_ reader: inout MappingReader) -> Bool {
        MatchProperty.allCases.contains { property in
            switch property {
            case .logSeverityNumber: false
            case .attributes, .resources:
                reader.node(property.rawValue)?.list?.contains {
                    $0["value"].map { !$0.isUnset } ?? false
                } ?? false
            default: reader.isGiven(property.rawValue)
            }
        }
    }

    private static func texts(
        _ property: MatchProperty, _ type: MatchType, _ reader: inout MappingReader
    ) -> TextMatcher? {
        let key = property.rawValue
        guard let texts = reader.strings(key), !texts.isEmpty else { return nil }
        return matcher(texts, at: key, type, reader)
    }

    private static func matcher(
        _ texts: [String], at key: String, _ type: MatchType, _ reader: MappingReader
    ) -> TextMatcher {
        switch type {
        case .strict: .strict(texts.map { Array($0.utf8) })
        case .regexp:
            .patterns(texts.compactMap { RegularExpression.read($0, at: key, reader) })
        }
    }

    private static func attribute(
        _ type: MatchType, _ reader: inout MappingReader
    ) -> AttributeMatcher? {
        let key = Array(reader.requiredString("key").utf8)
        guard let node = reader.node("value") else {
            return AttributeMatcher(key: key, expectation: .exists)
        }
        switch type {
        case .strict:
            return EncodedValue.read(node, at: "value", reader).map {
                AttributeMatcher(key: key, expectation: .equals(ValueEquality(wanted: $0)))
            }
        case .regexp:
            guard let pattern = node.string else {
                reader.error(
                    at: "value", "must be a pattern with match_type regexp: put it in quotes")
                return nil
            }
            return RegularExpression.read(pattern, at: "value", reader).map {
                AttributeMatcher(key: key, expectation: .matches($0))
            }
        }
    }

    /// An empty name is that of a scope without one.
    private static func library(_ type: MatchType, _ reader: inout MappingReader) -> Library {
        let name = reader.string("name", default: "")
        let version = reader.string("version")
        return Library(
            name: matcher([name], at: "name", type, reader),
            version: version.map { matcher([$0], at: "version", type, reader) })
    }

    private static func checkKinds(_ kinds: TextMatcher?, _ reader: MappingReader) {
        guard case .strict(let texts) = kinds else { return }
        // A kind that is not specified can be had by a pattern alone, as in the Collector.
        let known = kindNames.dropFirst().map { Array($0.utf8) }
        if !texts.allSatisfy(known.contains) {
            reader.error(
                at: "span_kinds",
                "expected \(kindNames.dropFirst().joined(separator: ", ")) with match_type strict")
        }
    }
}
