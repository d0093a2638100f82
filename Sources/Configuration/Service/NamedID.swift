/// What stands before and after the first `/` of a component's or a pipeline's id, without the
/// blanks around either part.
///
/// Source: https://github.com/open-telemetry/opentelemetry-collector, component/identifiable.go
struct NamedID {
    static let nameBytesMax = 1_024

    /// A component's type, or a pipeline's signal.
    let kind: String
    /// nil where there is no `/`.
    let name: String?

    init(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        kind = NamedID.trimmed(parts[0])
        name = parts.count > 1 ? NamedID.trimmed(parts[1]) : nil
    }

    /// What is wrong with the name; nil where nothing is.
    var problem: String? {
        guard let name else { return nil }
        if name.isEmpty { return "the name after '/' is empty" }
        if name.utf8.count > NamedID.nameBytesMax {
            return "the name after '/' has more than \(NamedID.nameBytesMax) bytes"
        }
        if !name.unicodeScalars.allSatisfy(NamedID.isAllowed) {
            return "the name after '/' has a blank, a symbol or a control character in it"
        }
        return nil
    }

    private static func trimmed(_ part: Substring) -> String {
        var part = part.drop { $0.isWhitespace }
        while part.last?.isWhitespace == true { part.removeLast() }
        return String(part)
    }

    /// The Collector's `[^\pZ\pC\pS]`.
    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .spaceSeparator, .lineSeparator, .paragraphSeparator, .control, .format, .surrogate,
            .privateUse, .unassigned, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
            false
        default: true
        }
    }
}
