/// Reads and bounds `tracestate` (W3C Trace Context Level 2, section 3.3).
///
///     list        = list-member 0*31( OWS "," OWS list-member )
///     list-member = key "=" value / OWS
///     key         = ( lcalpha / DIGIT ) 0*255( lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@" )
///     value       = 0*255(%x20 / nblk-chr) nblk-chr     ; nblk-chr: printable, no "," and no "="
enum TraceState {
    /// What is passed on, at most: as much as W3C asks everyone to propagate.
    static let bytesMax = 512
    private static let membersMax = 32
    private static let partBytesMax = 256
    /// Members longer than this are the first to go when there is too much.
    private static let longMemberBytes = 128
    /// A header that is longer is not looked at: 32 members of the longest kind.
    private static let inputBytesMax = membersMax * (2 * partBytesMax + 2)

    /// The members of all headers as one value; `nil` when anything is wrong with them.
    static func parse(_ headers: [String]) -> String? {
        guard headers.reduce(0, { $0 + $1.utf8.count }) <= inputBytesMax else { return nil }
        var members: [String] = []
        var keys: Set<String> = []
        for header in headers {
            for part in header.utf8.split(separator: UInt8(ascii: ",")) {
                let member = Array(trim(part))
                if member.isEmpty { continue }
                guard members.count < membersMax, let key = key(of: member),
                    keys.insert(key).inserted
                else { return nil }
                members.append(String(decoding: member, as: UTF8.self))
            }
        }
        return bounded(members).joined(separator: ",")
    }

    /// Drops whole members until the rest fits: long ones first, then from the right, where the
    /// oldest stand.
    private static func bounded(_ members: [String]) -> [String] {
        var kept = members
        var bytes = kept.reduce(0) { $0 + $1.utf8.count + 1 } - 1
        while bytes > bytesMax {
            let index = kept.lastIndex { $0.utf8.count > longMemberBytes } ?? kept.count - 1
            bytes -= kept.remove(at: index).utf8.count + 1
        }
        return kept
    }

    /// The key of a member, if the whole member is well formed.
    private static func key(of member: [UInt8]) -> String? {
        guard let equals = member.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let key = member[..<equals]
        let value = member[(equals + 1)...]
        guard let first = key.first, isAlphanumeric(first), key.count <= partBytesMax,
            key.allSatisfy({ isAlphanumeric($0) || "_-*/@".utf8.contains($0) }),
            !value.isEmpty, value.count <= partBytesMax,
            value.allSatisfy({ (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "=") })
        else { return nil }
        return String(decoding: key, as: UTF8.self)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (0x30...0x39).contains(byte)
    }

    private static func trim(_ part: Substring.UTF8View) -> Substring.UTF8View {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        let start = part.drop(while: isBlank)
        let last = start.lastIndex { !isBlank($0) }
        return last.map { start[...$0] } ?? start
    }
}
