// libFuzzer target for the decompressors: whatever the bytes, the limit holds, the budget is asked
// for every byte, and neither the limit nor earlier bodies change what a body holds. The rest of
// the input is also compressed and read back.
//
// The first byte chooses the encoding, the limit, and whether the slow comparisons are made. The
// decompressors are compiled into the fuzzer's module: see scripts/fuzz.

import Bytes
import Glibc

private let encodings: [ContentEncoding] = [
    .gzip, .deflate, .zstd, .snappy, .snappyFramed, .lz4,
]
private let limits = [0, 100, Window.bytes, 4 << 20]

private struct Reader: ~Copyable {
    var decompressor = Decompressor()

    mutating func read(
        _ body: [UInt8], _ encoding: ContentEncoding, limit: Int
    ) -> Result<[UInt8], DecompressionError> {
        var granted = 0
        do throws(DecompressionError) {
            let output = try decompressor.decompress(body, encoding, limit: limit) { bytes in
                granted += bytes
                return true
            }
            precondition(output.count <= limit, "BUG: the output is over the limit")
            precondition(output.count <= granted, "BUG: the budget was not asked")
            precondition(granted <= limit, "BUG: the budget was asked for more than the limit")
            return .success(output)
        } catch {
            precondition(granted <= limit, "BUG: the budget was asked for more than the limit")
            return .failure(error)
        }
    }
}

/// What `==` says. That one is not specialized for bytes here, and was most of the fuzzer's time.
private func isSame(
    _ first: Result<[UInt8], DecompressionError>, _ second: Result<[UInt8], DecompressionError>
) -> Bool {
    guard case .success(let first) = first, case .success(let second) = second else {
        return first == second
    }
    guard first.count == second.count else { return false }
    // SAFETY: memcmp reads `count` bytes, which both arrays have.
    return unsafe first.isEmpty || memcmp(first, second, first.count) == 0
}

// SAFETY: libFuzzer calls from one thread.
nonisolated(unsafe) private var reader = Reader()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCompression(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    // SAFETY: libFuzzer's buffer holds `count` bytes and lives during the call.
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let encoding = encodings[Int(input[0]) % encodings.count]
    let limit = limits[Int(input[0]) / encodings.count % limits.count]
    let body = Array(input.dropFirst())

    let result = reader.read(body, encoding, limit: limit)
    guard Int(input[0]) / (encodings.count * limits.count) % 4 == 0 else { return 0 }
    var fresh = Reader()
    precondition(
        isSame(fresh.read(body, encoding, limit: limit), result),
        "BUG: earlier bodies leave traces")
    if case .success(let output) = result {
        precondition(
            isSame(reader.read(body, encoding, limit: limit + 1), result), "BUG: the limit shows")
        let less = output.count - 1
        precondition(
            output.isEmpty
                || isSame(
                    reader.read(body, encoding, limit: less), .failure(.tooLarge(limit: less))),
            "BUG: the limit is off")
    }

    var compressor = Compressor(encoding)
    let compressed = compressor.compress(body.rawSpan)
    precondition(
        isSame(reader.read(compressed, encoding, limit: body.count), .success(body)),
        "BUG: what was compressed is not read back")
    return 0
}
