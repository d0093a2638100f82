/// A shop of ten services that call each other: what all generated telemetry tells of.
struct Shop {
    static let names = [
        "frontend", "checkout", "cart", "catalogue", "payment", "shipping", "recommendation",
        "search", "inventory", "email",
    ]
    /// Services that `--services` may ask for.
    static let servicesMax = 1_000

    let services: [ShopService]
    private(set) var operations: [Operation] = []
    /// Operations with which a trace begins; one that is common stands here several times.
    private(set) var roots: [Int] = []

    /// - Parameter serviceCount: fewer than ten fold roles together, more repeat them as replicas.
    init(serviceCount: Int) {
        precondition((1...Self.servicesMax).contains(serviceCount), "checked with the settings")
        services = (0..<serviceCount).map {
            ShopService(
                name: Self.names[$0 % Self.names.count], index: $0,
                replica: $0 / Self.names.count)
        }
        let replicas = (serviceCount + Self.names.count - 1) / Self.names.count
        for replica in 0..<replicas { addTraces(replica: replica) }
    }

    /// One set of the ten roles, and the traces that it makes.
    private mutating func addTraces(replica: Int) {
        func service(_ name: String) -> Int {
            let role = Self.names.firstIndex(of: name)!
            return (replica * Self.names.count + role) % services.count
        }
        let browse = server("frontend", service("frontend"), "GET", "/products/{id}")
        let search = server("frontend", service("frontend"), "GET", "/search")
        let add = server("frontend", service("frontend"), "POST", "/cart/items")
        let order = server("frontend", service("frontend"), "POST", "/orders")

        let product = remote(service("frontend"), service("catalogue"), "GET", "/products/{id}")
        query(product, service("catalogue"), "SELECT", "products")
        cache(product, service("catalogue"), "GET")
        let similar = remote(
            service("frontend"), service("recommendation"), "GET", "/similar/{id}")
        compute(similar.server, service("recommendation"), "rank candidates")
        link(browse, [product.client, similar.client])

        let hits = remote(service("frontend"), service("search"), "GET", "/query")
        compute(hits.server, service("search"), "score documents")
        link(search, [hits.client])

        let item = remote(service("frontend"), service("cart"), "POST", "/carts/{id}/items")
        cache(item, service("cart"), "HSET")
        let stock = remote(service("cart"), service("inventory"), "GET", "/stock/{sku}")
        query(stock, service("inventory"), "SELECT", "stock")
        link(item.server, [stock.client])
        link(add, [item.client])

        let checkout = remote(service("frontend"), service("checkout"), "POST", "/checkout")
        let payment = remote(
            service("checkout"), service("payment"), "POST", "/charges", errors: 30)
        compute(payment.server, service("payment"), "assess risk")
        query(payment, service("payment"), "INSERT", "charges")
        let shipping = remote(service("checkout"), service("shipping"), "POST", "/shipments")
        query(shipping, service("shipping"), "INSERT", "shipments")
        compute(checkout.server, service("checkout"), "price order")
        query(checkout, service("checkout"), "UPDATE", "orders")
        link(checkout.server, [payment.client, shipping.client])
        link(checkout.server, [send(service("checkout"), "orders")])
        link(order, [checkout.client])

        let confirm = receive(service("email"), "orders")
        compute(confirm, service("email"), "render template")
        roots += [browse, browse, browse, browse, search, search, add, add, order, confirm]
    }

    // MARK: Kinds of operations, with the attributes of OpenTelemetry's semantic conventions

    private mutating func append(_ operation: Operation) -> Int {
        operations.append(operation)
        return operations.count - 1
    }

    private mutating func link(_ parent: Int, _ children: [Int]) {
        operations[parent].children += children
    }

    private mutating func server(
        _ host: String, _ service: Int, _ method: String, _ route: String, errors: Int = 4
    ) -> Int {
        append(
            Operation(
                .server, "\(method) \(route)", service: service, variation: .httpServer,
                meanMicroseconds: 900, errorPermille: errors,
                attributes: [
                    "http.request.method": .string(method), "http.route": .string(route),
                    "url.scheme": "https", "server.address": .string("\(host).shop.example"),
                    "server.port": 443, "network.protocol.version": "1.1",
                ]))
    }

    /// A call over HTTP: the span of the caller, and below it the span of the called.
    private mutating func remote(
        _ caller: Int, _ called: Int, _ method: String, _ route: String, errors: Int = 4
    ) -> (client: Int, server: Int) {
        let host = services[called].name
        let client = append(
            Operation(
                .client, method, service: caller, variation: .httpClient, meanMicroseconds: 350,
                errorPermille: 1,
                attributes: [
                    "http.request.method": .string(method),
                    "server.address": .string("\(host).shop.svc.cluster.local"),
                    "server.port": 8080, "network.protocol.version": "1.1",
                    "url.full": .string("http://\(host).shop.svc.cluster.local:8080\(route)"),
                ]))
        let server = server(host, called, method, route, errors: errors)
        link(client, [server])
        return (client, server)
    }

    private mutating func query(
        _ caller: (client: Int, server: Int), _ service: Int, _ verb: String, _ table: String
    ) {
        let text =
            switch verb {
            case "SELECT": "SELECT * FROM \(table) WHERE id = $1 AND tenant = $2"
            case "INSERT": "INSERT INTO \(table) (id, tenant, body) VALUES ($1, $2, $3)"
            default: "UPDATE \(table) SET body = $1, updated_at = $2 WHERE id = $3"
            }
        let operation = append(
            Operation(
                .client, "\(verb) \(table)", service: service, variation: .database,
                meanMicroseconds: 2_400, errorPermille: 3,
                attributes: [
                    "db.system.name": "postgresql", "db.namespace": "shop",
                    "db.operation.name": .string(verb), "db.collection.name": .string(table),
                    "db.query.text": .string(text), "server.port": 5432,
                    "server.address": .string("\(table).db.shop.example"),
                ]))
        link(caller.server, [operation])
    }

    private mutating func cache(
        _ caller: (client: Int, server: Int), _ service: Int, _ verb: String
    ) {
        let operation = append(
            Operation(
                .client, verb, service: service, variation: .database, meanMicroseconds: 300,
                errorPermille: 1,
                attributes: [
                    "db.system.name": "redis", "db.namespace": "0",
                    "db.operation.name": .string(verb), "server.address": "redis.shop.example",
                    "server.port": 6379,
                ]))
        link(caller.server, [operation])
    }

    private mutating func compute(_ caller: Int, _ service: Int, _ name: String) {
        let operation = append(
            Operation(
                .internal, name, service: service, variation: .order, meanMicroseconds: 1_100,
                attributes: [
                    "code.function.name": .string("shop.\(name)"), "thread.name": "worker",
                ]))
        link(caller, [operation])
    }

    private mutating func send(_ service: Int, _ topic: String) -> Int {
        append(
            Operation(
                .producer, "send \(topic)", service: service, variation: .message,
                meanMicroseconds: 700,
                attributes: [
                    "messaging.system": "kafka", "messaging.operation.type": "send",
                    "messaging.destination.name": .string(topic),
                ]))
    }

    private mutating func receive(_ service: Int, _ topic: String) -> Int {
        append(
            Operation(
                .consumer, "process \(topic)", service: service, variation: .message,
                meanMicroseconds: 3_000, errorPermille: 8,
                attributes: [
                    "messaging.system": "kafka", "messaging.operation.type": "process",
                    "messaging.destination.name": .string(topic),
                    "messaging.consumer.group.name": "email",
                ]))
    }
}
