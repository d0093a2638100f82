/// Where a piece of configuration was written.
///
/// Lines and columns count from 1; a column counts characters, not bytes. What has no lines (a
/// `--set` argument, an environment variable) has line 0, and is shown by its name alone.
public struct SourcePosition: Sendable, Hashable {
    /// The path as the user gave it, or a name such as `--set #2`.
    public var file: String
    public var line: Int
    public var column: Int

    public init(file: String, line: Int = 0, column: Int = 0) {
        self.file = file
        self.line = line
        self.column = column
    }
}

extension SourcePosition: CustomStringConvertible {
    public var description: String { line == 0 ? file : "\(file):\(line):\(column)" }
}

extension SourcePosition: Comparable {
    public static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}
