// libFuzzer target for the client's response parser: whatever the bytes, the outcome doesn't
// depend on where the pieces end, bodies stay within their limit, and nothing crashes. The first
// byte chooses the request's method and whether the connection ends after the bytes. The parser is
// compiled into the fuzzer's module: see scripts/fuzz.

import HTTP

private let bodyBytesMax = 100

private func parse(
    _ bytes: [UInt8], pieces size: Int, method: HTTPMethod, end: Bool
) -> Result<HTTPResponseParser.Progress, HTTPResponseError> {
    var parser = HTTPResponseParser(
        requestMethod: method, headBytesMax: 300, bodyBytesMax: bodyBytesMax)
    do throws(HTTPResponseError) {
        var progress = HTTPResponseParser.Progress.needMoreBytes
        var offset = 0
        while offset < bytes.count {
            let next = min(offset + size, bytes.count)
            progress = try parser.receive(bytes.span.extracting(offset..<next))
            offset = next
        }
        return .success(end ? try parser.receiveEnd() : progress)
    } catch {
        return .failure(error)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTPResponse(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    // SAFETY: libFuzzer's buffer holds `count` bytes and lives during the call.
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let method: HTTPMethod = input[0] & 1 == 0 ? .post : .head
    let end = input[0] & 2 != 0
    let bytes = Array(input.dropFirst())

    let whole = parse(bytes, pieces: max(bytes.count, 1), method: method, end: end)
    for size in [1, 3, 50] {
        precondition(
            parse(bytes, pieces: size, method: method, end: end) == whole,
            "BUG: the pieces make a difference")
    }
    if case .success(.complete(let response, _)) = whole {
        precondition(response.body.count <= bodyBytesMax, "BUG: the body is too large")
        _ = response.retryAfter(unixNanoseconds: 1_700_000_000_000_000_000)
    }
    return 0
}
