/// A password, token or header value: printing, interpolating or dumping it shows `[REDACTED]`.
public struct Secret: Sendable, Hashable {
    private let value: String

    public init(_ value: String) {
        self.value = value
    }

    /// The value itself. Call it where the secret is put on the wire, and nowhere else.
    public func reveal() -> String { value }

    public var isEmpty: Bool { value.isEmpty }

    /// What stands for any secret in logs and in `print-config`.
    public static let placeholder = "[REDACTED]"
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { Secret.placeholder }
    public var debugDescription: String { Secret.placeholder }
    // Without this `dump` and failing test expectations would look inside.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Secret {
    private static let markers = [
        "password", "passwd", "secret", "token", "authorization", "credential", "api-key",
        "api_key", "apikey", "key_pem", "private_key", "access_key",
    ].map { Array($0.utf8) }

    /// Whether a key is likely to hold a secret, for settings that no component has read.
    static func isLikely(key: String) -> Bool {
        let key = key.lowercased()
        if key.hasSuffix("_file") || key.hasSuffix("_path") { return false }
        let bytes = Array(key.utf8)
        return markers.contains { marker in
            bytes.indices.contains { bytes[$0...].starts(with: marker) }
        }
    }
}
