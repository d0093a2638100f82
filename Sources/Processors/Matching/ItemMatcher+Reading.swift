import Configuration

extension ItemMatcher {
    private enum MatchType: String, CaseIterable { case strict, regexp }

    /// Reads `include` or `exclude`.
    static func read(_ reader: inout MappingReader) -> ItemMatcher {
        _ = reader.require("match_type")
        let type = reader.oneOf("match_type", default: MatchType.strict)
        _ = reader.mapping("regexp") { cache in
            cache.ignored(
                "cacheenabled", "cachemaxnumentries",
                because: "matches are not cached: they cost less than the cache")
        }
        var matcher = ItemMatcher()
        matcher.hasPatterns = type == .regexp
        matcher.services = texts("services", type, &reader)
        matcher.spanNames = texts("span_names", type, &reader)
        matcher.spanKinds = texts("span_kinds", type, &reader)
        matcher.logBodies = texts("log_bodies", type, &reader)
        matcher.logSeverityTexts = texts("log_severity_texts", type, &reader)
        matcher.metricNames = texts("metric_names", type, &reader)
        matcher.logSeverityNumber = reader.mapping("log_severity_number") { severity in
            SeverityNumber(
                min: Int32(severity.int("min", default: 0, in: 0...24)),
                matchesUndefined: severity.bool("match_undefined", default: false))
        }
        matcher.attributes = reader.list("attributes") { attribute(type, &$0) }
            .compactMap(\.self)
        matcher.resources = reader.list("resources") { attribute(type, &$0) }
            .compactMap(\.self)
        matcher.libraries = reader.list("libraries") { library(type, &$0) }.compactMap(\.self)
        checkKinds(matcher.spanKinds, reader)
        if matcher.isEmpty {
            reader.error("must have one property to match at least, such as services or attributes")
        }
        return matcher
    }

    private var isEmpty: Bool {
        services == nil && spanNames == nil && spanKinds == nil && logBodies == nil
            && logSeverityTexts == nil && metricNames == nil && logSeverityNumber == nil
            && attributes.isEmpty && resources.isEmpty && libraries.isEmpty
    }

    private static func texts(
        _ key: String, _ type: MatchType, _ reader: inout MappingReader
    ) -> TextMatcher? {
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
                AttributeMatcher(key: key, expectation: .equals($0))
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

    private static func library(_ type: MatchType, _ reader: inout MappingReader) -> Library? {
        let name = reader.requiredString("name")
        let version = reader.string("version")
        return Library(
            name: matcher([name], at: "name", type, reader),
            version: version.map { matcher([$0], at: "version", type, reader) })
    }

    private static func checkKinds(_ kinds: TextMatcher?, _ reader: MappingReader) {
        guard case .strict(let texts) = kinds else { return }
        let known = kindNames.dropFirst().map { Array($0.utf8) }
        if !texts.allSatisfy(known.contains) {
            reader.error(
                at: "span_kinds",
                "expected \(kindNames.dropFirst().joined(separator: ", ")) with match_type strict")
        }
    }
}
