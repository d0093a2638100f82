import Glibc

/// Takes one whole line, its newline included. Answers whether it was written.
public typealias LogSink = @Sendable (_ line: [UInt8]) -> Bool

/// The file descriptor that logs go to.
public enum StandardError {
    /// Writes a line with one `write(2)`, so that lines of several threads do not mix.
    ///
    /// A line that standard error does not take (closed, or a full pipe set non-blocking) is
    /// given up: a log must never hold up the data. The caller counts it.
    public static let sink: LogSink = { line in
        let span = line.span
        while true {
            // SAFETY: write(2) reads `buffer.count` bytes, and the buffer outlives the call.
            let written = unsafe span.withUnsafeBufferPointer { buffer in
                unsafe write(STDERR_FILENO, buffer.baseAddress, buffer.count)
            }
            if written < 0, errno == EINTR { continue }
            return written == line.count
        }
    }
}
