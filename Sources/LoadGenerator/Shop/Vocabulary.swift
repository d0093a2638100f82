import OTLP

/// Values that spans and logs choose from, encoded once.
enum Vocabulary {
    struct Exception {
        let type: String
        let message: String
        let stackTrace: String
        /// `attributes = 3` of `Span.Event`.
        let attributes: [UInt8]

        init(_ type: String, _ message: String, frames: [String]) {
            self.type = type
            self.message = message
            stackTrace = "\(type): \(message)\n" + frames.map { "\tat \($0)\n" }.joined()
            var writer = ProtobufWriter()
            writer.attributes(
                3,
                [
                    "exception.type": .string(type), "exception.message": .string(message),
                    "exception.stacktrace": .string(stackTrace), "exception.escaped": false,
                ])
            attributes = writer.bytes
        }
    }

    static let exceptions = [
        Exception(
            "java.net.SocketTimeoutException", "Read timed out",
            frames: [
                "shop.http.Client.read(Client.java:214)", "shop.http.Client.call(Client.java:131)",
                "shop.checkout.Checkout.place(Checkout.java:88)",
            ]),
        Exception(
            "shop.PaymentDeclined", "insufficient funds",
            frames: ["shop.payment.Gateway.charge(Gateway.java:57)"]),
        Exception(
            "psycopg.errors.SerializationFailure",
            "could not serialize access due to concurrent update",
            frames: ["orders/store.py, line 211, in update", "orders/api.py, line 40, in patch"]),
        Exception(
            "TypeError", "cannot read properties of undefined (reading 'sku') – Größe ✓",
            frames: ["render (/app/dist/cart.js:1:20331)", "handle (/app/dist/server.js:1:881)"]),
    ]

    /// `attributes = 9` of `Span`.
    static let userAgents = spanAttributes(
        "user_agent.original",
        [
            "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15",
            "ShopApp/8.14.0 (Android 15; Pixel 9)", "curl/8.14.1", "kube-probe/1.33",
        ])
    static let currencies = spanAttributes("shop.order.currency", ["EUR", "USD", "GBP", "JPY"])

    private static func spanAttributes(_ key: String, _ values: [String]) -> [[UInt8]] {
        values.map { value in
            var writer = ProtobufWriter()
            writer.attribute(9, key, .string(value))
            return writer.bytes
        }
    }
}
