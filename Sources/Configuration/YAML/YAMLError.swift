/// What is wrong with a text as YAML, before anyone asks what it means.
struct YAMLError: Error, Hashable {
    var position: SourcePosition
    var message: String
}
