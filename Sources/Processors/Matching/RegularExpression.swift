import Bytes
import CPCRE2

/// A compiled pattern (PCRE2, which reads what RE2 reads and more), safe to share between threads.
///
/// A match is bounded in steps and memory: text from the wire cannot stop an event loop. Compiled
/// once, when the configuration is read. Why PCRE2: docs/decisions/0004-regular-expressions.md.
@safe final class RegularExpression: @unchecked Sendable {
    /// Backtracking steps of one match: ample for a sane pattern, and few enough that a hopeless
    /// one does not hold up an event loop.
    static let stepsMax: UInt32 = 100_000
    /// Nested backtracking points, and KiB that remember them.
    static let depthMax: UInt32 = 20_000
    static let heapKiBMax: UInt32 = 2_048
    /// Capturing groups in one pattern.
    static let groupsMax = 64

    let pattern: String
    /// By group number; group 0, the whole match, has none, nor have groups in plain parentheses.
    let groupNames: [String?]

    // SAFETY: compiled code and limits are allocated once, freed with this object, and not written
    // in between; threads may share them for matching (pcre2api, MULTITHREADING).
    private let code: OpaquePointer
    private let limits: OpaquePointer

    /// - Throws: `PatternError` where the pattern is no pattern or has too many groups.
    init(_ pattern: String) throws(PatternError) {
        self.pattern = pattern
        // `$` means the very end and `.` all but a line feed, and a name may be given twice, as in
        // Go's RE2. \C would split characters.
        let options =
            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_DUPNAMES
            | PCRE2_NEVER_BACKSLASH_C
        var errorCode: Int32 = 0
        var errorOffset = 0
        let bytes = Array(pattern.utf8)
        let context = unsafe pcre2_compile_context_create_8(nil)
        // SAFETY: PCRE2 allows a null context here and below, should memory be short.
        defer { unsafe pcre2_compile_context_free_8(context) }
        if let context = unsafe context {
            unsafe pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
        }
        // SAFETY: the pattern's bytes outlive the call, which copies what it needs.
        let compiled = unsafe bytes.withUnsafeBufferPointer { pattern in
            unsafe pcre2_compile_8(
                pattern.baseAddress ?? emptySubject, pattern.count, options, &errorCode,
                &errorOffset, context)
        }
        guard let compiled = unsafe compiled else {
            throw PatternError(code: errorCode, offset: errorOffset)
        }
        let names = unsafe Self.names(in: compiled)
        guard names.count <= Self.groupsMax, let limits = unsafe pcre2_match_context_create_8(nil)
        else {
            unsafe pcre2_code_free_8(compiled)
            throw PatternError("has more than \(Self.groupsMax - 1) groups")
        }
        unsafe pcre2_set_match_limit_8(limits, Self.stepsMax)
        unsafe pcre2_set_depth_limit_8(limits, Self.depthMax)
        unsafe pcre2_set_heap_limit_8(limits, Self.heapKiBMax)
        groupNames = names
        unsafe self.code = compiled
        unsafe self.limits = limits
    }

    deinit {
        unsafe pcre2_match_context_free_8(limits)
        unsafe pcre2_code_free_8(code)
    }

    /// Whether the pattern occurs anywhere in the text. A match that reached a limit is none, and
    /// is counted in `memory.limitReachedCount`.
    func matches(_ bytes: RawSpan, _ text: ByteRange, _ memory: MatchMemory) -> Bool {
        run(bytes, text, memory) > 0
    }

    /// The text of each group of the first match, group 0 first; nil where there is no match. A
    /// group that took no part is empty.
    func groups(_ bytes: RawSpan, _ text: ByteRange, _ memory: MatchMemory) -> [ByteRange]? {
        guard run(bytes, text, memory) > 0 else { return nil }
        return groupNames.indices.map { memory.group($0, within: text) }
    }

    private func run(_ bytes: RawSpan, _ text: ByteRange, _ memory: MatchMemory) -> Int32 {
        let subject = bytes.extracting(text.lowerBound..<text.upperBound)
        // SAFETY: the subject is a checked part of a span that outlives the call.
        let result = unsafe subject.withUnsafeBytes { subject in
            let start = unsafe subject.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return unsafe pcre2_match_8(
                code, start ?? emptySubject, subject.count, 0, 0, memory.data, limits)
        }
        if result < PCRE2_ERROR_NOMATCH { memory.limitReachedCount += 1 }
        return result
    }

    // Each entry of the name table: the group's number in two bytes, most significant first, then
    // the name, ended by NUL (pcre2api, PCRE2_INFO_NAMETABLE).
    private static func names(in code: OpaquePointer) -> [String?] {
        var groupCount: UInt32 = 0
        var nameCount: UInt32 = 0
        var entryBytes: UInt32 = 0
        var table: UnsafePointer<UInt8>?
        // SAFETY: each call writes one value of the type that pcre2api gives for its request.
        unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_CAPTURECOUNT), &groupCount)
        unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMECOUNT), &nameCount)
        unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMEENTRYSIZE), &entryBytes)
        unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMETABLE), &table)
        var names = [String?](repeating: nil, count: Int(groupCount) + 1)
        guard let table = unsafe table else { return names }
        for index in 0..<Int(nameCount) {
            // SAFETY: the table has `nameCount` entries of `entryBytes`, and lives with the code.
            let entry = unsafe table + index * Int(entryBytes)
            let group = unsafe Int(entry[0]) << 8 | Int(entry[1])
            names[group] = unsafe String(cString: entry + 2)
        }
        return names
    }
}

/// What a match writes to: one for each batch that is processed, never shared between threads.
@safe final class MatchMemory {
    // SAFETY: allocated once, freed with this object.
    fileprivate let data: OpaquePointer
    /// Matches that were given up at a limit.
    var limitReachedCount = 0

    init() {
        guard
            let data = unsafe pcre2_match_data_create_8(UInt32(RegularExpression.groupsMax), nil)
        else { fatalError("out of memory") }
        unsafe self.data = data
    }

    deinit { unsafe pcre2_match_data_free_8(data) }

    fileprivate func group(_ number: Int, within text: ByteRange) -> ByteRange {
        // SAFETY: the vector has two offsets for each of `groupsMax` groups; no pattern has more.
        let offsets = unsafe pcre2_get_ovector_pointer_8(data)!
        let (start, end) = unsafe (offsets[2 * number], offsets[2 * number + 1])
        // PCRE2_UNSET: the group took no part. With \K a match may even end before it starts.
        guard start <= end, end <= text.count else {
            return ByteRange(start: text.lowerBound, end: text.lowerBound)
        }
        return ByteRange(start: text.lowerBound + start, end: text.lowerBound + end)
    }
}

/// Why a text is not a pattern.
struct PatternError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    fileprivate init(code: Int32, offset: Int) {
        var buffer = [UInt8](repeating: 0, count: 256)
        // SAFETY: PCRE2 writes at most `count` bytes, NUL included.
        let count = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            unsafe pcre2_get_error_message_8(code, buffer.baseAddress, buffer.count)
        }
        let text = String(decoding: buffer.prefix(max(0, Int(count))), as: UTF8.self)
        description = "is not a regular expression: \(text), at offset \(offset)"
    }
}

/// What an empty span, which has no address, stands for.
// SAFETY: a static string's bytes live as long as the process and are never written.
private nonisolated(unsafe) let emptySubject = unsafe ("" as StaticString).utf8Start
