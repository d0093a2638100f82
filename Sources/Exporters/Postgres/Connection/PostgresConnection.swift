import Bytes
import CPostgreSQL
internal import Glibc
import Platform

/// One connection. Belongs to one thread at a time, and blocks it: each call has a deadline, and
/// ends early when the exporter's cancellation says so.
@safe final class PostgresConnection {
    // SAFETY: made by init, closed by deinit, and used through `library` alone, whose functions
    // take a connection that is open. One thread at a time has this object.
    private let handle: LibPQ.Connection
    private let library: LibPQ
    private let cancellation: Cancellation
    /// For each statement, on this side: a server that doesn't answer at all is given up.
    var answerTimeout = Duration.seconds(60)

    /// Connects and authenticates.
    ///
    /// - Parameter options: libpq's keywords and values.
    init(
        _ options: [(keyword: String, value: String)], _ library: LibPQ,
        _ cancellation: Cancellation, until deadline: Instant
    ) throws(PostgresError) {
        guard let handle = unsafe Self.begin(options, library) else {
            throw PostgresError(kind: .server, message: "out of memory", operation: "connect")
        }
        unsafe self.handle = handle
        self.library = library
        self.cancellation = cancellation
        // From here on deinit closes it.
        guard unsafe library.status(handle) != CONNECTION_BAD else { throw connectFailure() }
        // libpq says on stderr what the server wants to be known; nobody reads that there.
        _ = unsafe library.setNoticeProcessor(handle, { _, _ in }, nil)
        try finishConnecting(until: deadline)
        guard unsafe library.setNonblocking(handle, 1) == 0 else { throw lost("connect") }
    }

    deinit { unsafe library.finish(handle) }

    private static func begin(
        _ options: [(keyword: String, value: String)], _ library: LibPQ
    ) -> LibPQ.Connection? {
        // SAFETY: the copies live until libpq has taken its own, and the lists end with nil.
        var keywords = unsafe options.map { unsafe UnsafePointer(strdup($0.keyword)) }
        var values = unsafe options.map { unsafe UnsafePointer(strdup($0.value)) }
        unsafe keywords.append(nil)
        unsafe values.append(nil)
        // The first keyword's value may be a whole connection string.
        let handle = unsafe library.connectStartParams(keywords, values, 1)
        unsafe Self.free(keywords)
        unsafe Self.free(values)
        return unsafe handle
    }

    /// Copies that `strdup` has made.
    private static func free(_ copies: [LibPQ.Text?]) {
        // SAFETY: each is freed once, by whoever has made it.
        for index in unsafe copies.indices {
            unsafe Glibc.free(UnsafeMutableRawPointer(mutating: copies[index]))
        }
    }

    private func finishConnecting(until deadline: Instant) throws(PostgresError) {
        var wanted = POLLOUT
        while true {
            try wait(for: wanted, until: deadline, "connect")
            switch unsafe library.connectPoll(handle) {
            case PGRES_POLLING_READING: wanted = POLLIN
            case PGRES_POLLING_WRITING: wanted = POLLOUT
            case PGRES_POLLING_OK: return
            default: throw connectFailure()
            }
        }
    }

    /// libpq names hosts and users in these, never a password. It does not tell a wrong password
    /// from a server that is down but in words, so all are tried again.
    private func connectFailure() -> PostgresError {
        PostgresError(kind: .connection, message: lastMessage, operation: "connect")
    }

    private var lastMessage: String {
        // SAFETY: the text is the connection's own, valid until its next call, and copied here.
        let text = unsafe library.errorMessage(handle).map { unsafe String(cString: $0) } ?? ""
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    func lost(_ operation: String) -> PostgresError {
        let message = lastMessage
        return PostgresError(
            kind: .connection, message: message.isEmpty ? "the connection is gone" : message,
            operation: operation)
    }

    // MARK: What it is connected to

    /// 150004 for 15.4.
    var serverVersion: Int { Int(unsafe library.serverVersion(handle)) }

    /// `host:port/database`, for people.
    var place: String {
        // SAFETY: these texts are the connection's own and are copied here.
        let parts = unsafe [library.host(handle), library.port(handle), library.database(handle)]
            .map { unsafe $0.map { unsafe String(cString: $0) } ?? "" }
        return "\(parts[0]):\(parts[1])/\(parts[2])"
    }

    // MARK: Statements

    /// Runs one statement, or several without parameters; returns what the last one gave.
    @discardableResult
    func execute(
        _ sql: String, _ parameters: [String?] = [], _ operation: String
    ) throws(PostgresError) -> PostgresResult {
        try send(sql, parameters, operation)
        guard let result = try results(operation).last else { throw lost(operation) }
        return result
    }

    /// Runs several statements without parameters, and returns what each gave.
    func executeAll(_ sql: String, _ operation: String) throws(PostgresError) -> [PostgresResult] {
        try send(sql, [], operation)
        return try results(operation)
    }

    /// Runs one statement with parameters in binary form.
    ///
    /// - Parameter types: the OIDs of the parameters' types.
    @discardableResult
    func execute(
        _ sql: String, binary parameters: [[UInt8]], types: [UInt32], _ operation: String
    ) throws(PostgresError) -> PostgresResult {
        precondition(parameters.count == types.count, "BUG: a parameter without a type")
        // One block, as pointers into several arrays can't be had at once.
        let block = parameters.flatMap { $0 }
        var lengths = parameters.map { CInt($0.count) }
        var formats = [CInt](repeating: 1, count: parameters.count)
        var types = types.map { Oid($0) }
        // SAFETY: the block has the parameters' bytes one after the other, and lives until libpq
        // has put them into its buffer.
        let sent = unsafe block.withUnsafeBufferPointer { block in
            var start = 0
            var values: [LibPQ.Text?] = unsafe []
            for parameter in parameters {
                unsafe values.append(
                    UnsafeRawPointer(block.baseAddress!).advanced(by: start)
                        .assumingMemoryBound(to: CChar.self))
                start += parameter.count
            }
            return unsafe library.sendQueryParams(
                handle, sql, CInt(parameters.count), &types, values, &lengths, &formats, 0)
        }
        guard sent == 1 else { throw lost(operation) }
        guard let result = try results(operation).last else { throw lost(operation) }
        return result
    }

    private func send(
        _ sql: String, _ parameters: [String?], _ operation: String
    ) throws(PostgresError) {
        let sent: CInt
        if parameters.isEmpty {
            sent = unsafe library.sendQuery(handle, sql)
        } else {
            // SAFETY: the copies live until libpq has put them into its buffer.
            let values = unsafe parameters.map { text in
                unsafe text.flatMap { unsafe UnsafePointer(strdup($0)) }
            }
            sent = unsafe library.sendQueryParams(
                handle, sql, CInt(values.count), nil, values, nil, nil, 0)
            unsafe Self.free(values)
        }
        guard sent == 1 else { throw lost(operation) }
    }

    /// All results of what was sent; the first error, when all of them were read.
    private func results(_ operation: String) throws(PostgresError) -> [PostgresResult] {
        var results: [PostgresResult] = []
        var failure: PostgresError?
        let deadline = Instant.now + answerTimeout
        while let handle = unsafe try nextResult(until: deadline, operation) {
            switch unsafe library.resultStatus(handle) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                results.append(unsafe PostgresResult(handle, library))
            default:
                if failure == nil { failure = unsafe error(handle, operation) }
                unsafe library.clear(handle)
            }
        }
        if let failure { throw failure }
        return results
    }

    /// The next result; nil when there is none any more.
    private func nextResult(
        until deadline: Instant, _ operation: String
    ) throws(PostgresError) -> LibPQ.Result? {
        try flush(until: deadline, operation)
        while unsafe library.isBusy(handle) == 1 {
            try wait(for: POLLIN, until: deadline, operation)
            guard unsafe library.consumeInput(handle) == 1 else { throw lost(operation) }
        }
        return unsafe library.getResult(handle)
    }

    /// Writes what libpq holds back. The server may have something to say meanwhile.
    private func flush(until deadline: Instant, _ operation: String) throws(PostgresError) {
        while true {
            switch unsafe library.flush(handle) {
            case 0: return
            case 1:
                try wait(for: POLLIN | POLLOUT, until: deadline, operation)
                guard unsafe library.consumeInput(handle) == 1 else { throw lost(operation) }
            default: throw lost(operation)
            }
        }
    }

    // MARK: COPY

    // https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format":
    //     0  11  signature "PGCOPY\n\377\r\n\0"
    //    11   4  flags, 0
    //    15   4  length of the header's extension, 0
    //        …   tuples
    //         2  -1
    private static let copyHeader: [UInt8] =
        Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [UInt8](repeating: 0, count: 8)
    private static let copyTrailer: [UInt8] = [0xFF, 0xFF]

    /// Runs a `COPY … FROM STDIN (FORMAT binary)` with these tuples.
    ///
    /// - Parameter deadline: for all of it.
    func copy(
        _ sql: String, _ tuples: RawSpan, until deadline: Instant, _ operation: String
    ) throws(PostgresError) {
        try send(sql, [], operation)
        guard let first = unsafe try nextResult(until: deadline, operation) else {
            throw lost(operation)
        }
        let isReady = unsafe library.resultStatus(first) == PGRES_COPY_IN
        let failure = isReady ? nil : unsafe error(first, operation)
        unsafe library.clear(first)
        if let failure {
            _ = try results(operation)
            throw failure
        }
        try put(Self.copyHeader.rawSpan, until: deadline, operation)
        try put(tuples, until: deadline, operation)
        try put(Self.copyTrailer.rawSpan, until: deadline, operation)
        while true {
            let result = unsafe library.putCopyEnd(handle, nil)
            if result == 1 { break }
            guard result == 0 else { throw lost(operation) }
            try flush(until: deadline, operation)
        }
        let before = answerTimeout
        defer { answerTimeout = before }
        answerTimeout = max(deadline - .now, .milliseconds(1))
        _ = try results(operation)
    }

    /// What is put at once; libpq grows its buffer to what it can't write.
    private static let putBytesMax = 64 << 10

    private func put(
        _ bytes: RawSpan, until deadline: Instant, _ operation: String
    ) throws(PostgresError) {
        var offset = 0
        while offset < bytes.byteCount {
            let count = min(Self.putBytesMax, bytes.byteCount - offset)
            // SAFETY: the span has the bytes, which libpq copies or writes before it returns.
            let result = unsafe bytes.extracting(offset..<offset + count).withUnsafeBytes { piece in
                unsafe library.putCopyData(
                    handle, piece.baseAddress!.assumingMemoryBound(to: CChar.self),
                    CInt(piece.count))
            }
            switch result {
            case 1:
                offset += count
                // Or libpq would gather all of it.
                try flush(until: deadline, operation)
            case 0: try flush(until: deadline, operation)
            default: throw lost(operation)
            }
        }
    }

    // MARK: Waiting and errors

    private func wait(
        for events: CInt, until deadline: Instant, _ operation: String
    ) throws(PostgresError) {
        let socket = unsafe library.socket(handle)
        guard socket >= 0 else { throw lost(operation) }
        do throws(SystemError) {
            switch try cancellation.wait(for: events, on: socket, until: deadline) {
            case .ready: return
            case .timedOut:
                throw SystemError(call: "poll", errno: ETIMEDOUT)
            case .cancelled: throw SystemError(call: "poll", errno: ECANCELED)
            }
        } catch {
            switch error.errno {
            case ETIMEDOUT:
                throw PostgresError(
                    kind: operation == "connect" ? .connection : .timeout,
                    message: PostgresError.noAnswer, operation: operation)
            case ECANCELED:
                throw PostgresError(
                    kind: .aborted, message: "the time to drain is over", operation: operation)
            default:
                throw PostgresError(
                    kind: .connection, message: "\(error)", operation: operation)
            }
        }
    }

    private func error(_ result: LibPQ.Result, _ operation: String) -> PostgresError {
        // SAFETY: the fields are the result's own, and copied here.
        func field(_ code: Character) -> String? {
            unsafe library.resultErrorField(result, CInt(code.asciiValue!))
                .map { unsafe String(cString: $0) }
        }
        let state = field("C") ?? ""
        let context = CopyContext(field("W") ?? "")
        let kind = PostgresError.Kind(
            state: state, isOfTable: field("t") != nil, isOfConstraint: field("n") != nil,
            isOfRow: context.row != nil)
        // Without a state it is libpq that has failed: the connection.
        return PostgresError(
            kind: state.isEmpty ? .connection : kind, state: state,
            message: field("M") ?? lastMessage, operation: operation, hint: field("H"),
            row: context.row, column: context.column)
    }
}
