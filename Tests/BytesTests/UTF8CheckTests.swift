import Bytes
import Testing

@Suite struct UTF8CheckTests {
    @Test func `ASCII of any length, at any place, is UTF-8`() {
        let text = [UInt8](repeating: 0xFF, count: 8) + [UInt8](0..<0x80) + [UInt8](0..<0x80)
        for start in 8..<12 {
            for count in 0...200 {
                let range = ByteRange(start: start, end: start + count)
                let isUTF8 = text.rawSpan.isUTF8(range)
                #expect(isUTF8, "\(range)")
            }
        }
    }

    @Test func `One byte that is none is found wherever it is`() {
        for count in 1...150 {
            for place in 0..<count {
                var text = [UInt8](repeating: 0x61, count: count)
                text[place] = 0x80
                let isUTF8 = text.rawSpan.isUTF8(ByteRange(start: 0, end: count))
                #expect(!isUTF8, "byte \(place) of \(count)")
            }
        }
    }

    @Test(arguments: ["é", "grüße aus München, 16", "日本語のテキストがここにあります", "😀"])
    func `Text beyond ASCII is UTF-8, and cut in the middle of a character it is not`(text: String)
    {
        let bytes = Array(text.utf8)
        let isUTF8 = bytes.rawSpan.isUTF8(ByteRange(start: 0, end: bytes.count))
        #expect(isUTF8)
        let cut = Array("é".utf8.dropLast())
        let joined = bytes + cut
        let isCutUTF8 = joined.rawSpan.isUTF8(ByteRange(start: 0, end: joined.count))
        #expect(!isCutUTF8)
    }
}
