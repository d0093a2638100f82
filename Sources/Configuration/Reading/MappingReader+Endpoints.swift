public import Platform

extension MappingReader {
    /// Where to listen: `localhost:4318`, `[::1]:4318`, `:4318` or `unix:///run/sluice.sock`.
    public mutating func endpoint(_ key: String) -> Endpoint? {
        guard let text = string(key) else { return nil }
        if text.contains("://"), !text.hasPrefix("unix:") {
            error(at: key, "expected host:port without a scheme, for example localhost:4318")
            return nil
        }
        do throws(EndpointError) {
            return try Endpoint(parsing: text)
        } catch {
            let isQuotable = node(key)?.origin == .literal
            self.error(
                at: key,
                isQuotable ? "\(error)" : "expected host:port, found something else from ${…}")
            return nil
        }
    }

    public mutating func endpoint(_ key: String, default standard: Endpoint) -> Endpoint {
        endpoint(key) ?? standard
    }
}
