import Compression
import HTTP
import HTTPServer
import OTLP
import Pipeline
import Platform
import Synchronization
import Telemetry

/// OTLP over HTTP: from a request to the pipelines, and from what they say to an answer.
/// Source: the OTLP specification 1.11, "OTLP/HTTP".
final class OTLPHTTPHandler: HTTPHandler {
    /// Beyond it a body is decompressed and transcoded off the loop, so that no loop stalls for its
    /// neighbours. It bounds what is decompressed on the loop as well. A byte of JSON costs about
    /// four times what one of protobuf does.
    static func onLoopBytesMax(_ content: BodyEncoding) -> Int {
        content == .json ? 256 << 10 : 1 << 20
    }

    private let settings: OTLPReceiverSettings
    private let reader: OTLPHeadReader
    private let environment: ReceiverEnvironment
    private let answers: OTLPAnswers
    private let metrics: ReceiverMetrics
    private let repairedTexts: MetricFamily<Counter>
    private let rejectedItems: MetricFamily<Counter>
    private let refusedRequests: MetricFamily<Counter>
    private let workspaces = OTLPWorkspaces()
    private let feed = Mutex(Feed())

    /// Where batches go, by signal. Each reload brings the next one.
    private struct Feed: Sendable {
        var number = 0
        var intakes: [Intake?] = [nil, nil, nil]

        subscript(signal: Signal) -> Intake? { intakes[Int(signal.rawValue)] }
    }

    init(_ settings: OTLPReceiverSettings, _ environment: ReceiverEnvironment) {
        self.settings = settings
        self.environment = environment
        answers = OTLPAnswers(settings)
        reader = OTLPHeadReader(settings, allowedMethods: answers.allowedMethods)
        let id = environment.component.id
        let registry = environment.component.metrics
        metrics = ReceiverMetrics(registry, receiver: id, transport: "http")
        repairedTexts = registry.counter(
            "sluice_receiver_repaired_strings",
            help: "Strings that were not UTF-8 and got U+FFFD.", labels: ["receiver", "signal"])
        rejectedItems = registry.counter(
            "sluice_receiver_rejected_items",
            help: "Items rejected by partial success: the client was told, and keeps them.",
            labels: ["receiver", "signal", "reason"])
        refusedRequests = registry.counter(
            "sluice_receiver_refused_requests",
            help: "Requests refused at a limit, by the key of the limit.",
            labels: ["receiver", "limit"])
    }

    func feed(_ newIntakes: [Signal: Intake]) {
        feed.withLock { feed in
            feed.number += 1
            feed.intakes = Signal.allCases.map { newIntakes[$0] }
        }
    }

    func trim() { workspaces.trim() }

    // MARK: Before the body

    func admit(_ head: HTTPRequestHead, from peer: SocketAddress) -> HTTPAdmission {
        if let preflight = answers.preflight(head) { return .refuse(preflight) }
        do throws(OTLPFailure) {
            let body = try reader.body(head)
            guard feed.withLock({ $0[body.signal] }) != nil else { throw unnamed(body.signal) }
            return .accept(
                bodyBytesMax: settings.bodyBytesMax, route: reader.path(of: body.signal),
                note: body.note)
        } catch {
            log(error, head, peer)
            return .refuse(answers.failure(error, answering: head))
        }
    }

    private func unnamed(_ signal: Signal) -> OTLPFailure {
        OTLPFailure(
            status: .notFound,
            message: "no \(signal.name) pipeline names this receiver; add it to "
                + "service.pipelines.\(signal.name).receivers")
    }

    func failure(
        _ refused: HTTPFailure, answering head: HTTPRequestHead?, from peer: SocketAddress
    ) -> HTTPResponse {
        var failure = OTLPFailure(status: refused.status, message: refused.message)
        if failure.status == .badRequest { failure.badField = "request" }
        if failure.status == .serviceUnavailable { failure.retryAfter = .seconds(1) }
        log(failure, head, peer, speaking: refused.foreign)
        return answers.failure(failure, answering: head)
    }

    // MARK: With the body

    func handle(_ request: consuming HTTPRequest, _ exchange: HTTPExchange) {
        let head = request.head
        let body = request.body
        let trace = Self.trace(of: head)
        let span = trace.flatMap { self.span(for: head, continuing: $0, bodyBytes: body.count) }
        let context = context(of: head, exchange.peer, span?.context ?? trace)
        let otlp = OTLPRequest(
            body: OTLPBody(note: exchange.note), context: context, span: span)
        let memory = RequestMemory(
            exchange.share, environment.requestLimits, bodyBytes: body.count)
        let reply = OTLPReply(exchange: exchange, head: head, memory: memory)
        guard body.count <= Self.onLoopBytesMax(otlp.body.content) else {
            return handOver(body, otlp, reply)
        }
        work(body, otlp, reply, isOnLoop: true)
    }

    private func handOver(_ body: [UInt8], _ request: OTLPRequest, _ reply: OTLPReply) {
        let isTaken = environment.workers.submit(for: reply.exchange.sender) { [self] in
            work(body, request, reply, isOnLoop: false)
        }
        if !isTaken {
            fail(.overloaded("too many large requests at once; send again later"), request, reply)
        }
    }

    private func work(
        _ body: [UInt8], _ request: OTLPRequest, _ reply: OTLPReply, isOnLoop: Bool
    ) {
        let failure: OTLPFailure? = workspaces.with { workspace in
            do throws(OTLPWorkspace.Failure) {
                let checked = try workspace.check(
                    body, request, bytesMax: settings.bodyBytesMax,
                    loopBytesMax: isOnLoop ? Self.onLoopBytesMax(request.body.content) : nil,
                    reply.memory)
                if isOnLoop, growsMuch(checked.batch, request) { throw .needsWorker }
                // The batch goes before its workspace does: they share the index.
                take(checked, request, reply)
                return nil
            } catch {
                switch error {
                case .refused(let failure): return failure
                case .needsWorker:
                    reply.memory.giveBackAll()
                    handOver(body, request, reply)
                    return nil
                }
            }
        }
        if let failure { fail(failure, request, reply) }
    }

    /// Beyond it what processors add to a request is added off the loop.
    static let onLoopGrowthMax = 256 << 10

    private func growsMuch(_ batch: Batch, _ request: OTLPRequest) -> Bool {
        guard let intake = feed.withLock({ $0[request.signal] }) else { return false }
        return intake.growth(of: batch, request.context) > Self.onLoopGrowthMax
    }

    private func take(
        _ checked: OTLPWorkspace.Checked, _ request: OTLPRequest, _ reply: OTLPReply
    ) {
        let signal = request.signal
        note(checked, request)
        // The answer's closure must not keep the batch alive: a queue may hold it for long.
        let itemCount = checked.batch.itemCount
        let answer = ExportResponse(
            rejectedCount: checked.rejectedItemCount,
            errorMessage: partialMessage(checked, signal))
        do throws(Refusal) {
            try offer(checked.batch, request) { [self] isKept in
                guard isKept else {
                    metrics.refused[signal].add(itemCount)
                    let reason = "the log could not be written; send again later"
                    return fail(.overloaded(reason), request, reply)
                }
                metrics.accepted[signal].add(itemCount)
                succeed(answer, itemCount, request, reply)
            }
        } catch {
            metrics.refused[signal].add(itemCount)
            fail(OTLPFailure(error), request, reply)
        }
    }

    /// A reload closes the queues that it has replaced, so that an intake from before may refuse a
    /// batch that the present one takes.
    private func offer(
        _ batch: Batch, _ request: OTLPRequest,
        whenKept: @escaping @Sendable (_ isKept: Bool) -> Void
    ) throws(Refusal) {
        var feed = feed.withLock { $0 }
        while true {
            guard let intake = feed[request.signal] else {
                throw Refusal(reason: "the configuration is changing; send again")
            }
            do throws(Refusal) {
                return try intake.take(batch, request.context, whenKept: whenKept)
            } catch {
                let present = self.feed.withLock { $0 }
                guard present.number != feed.number else { throw error }
                feed = present
            }
        }
    }

    // MARK: After it

    private func succeed(
        _ answer: ExportResponse, _ itemCount: Int, _ request: OTLPRequest, _ reply: OTLPReply
    ) {
        if var span = request.span {
            span.set("sluice.items.accepted", .integer(Int64(itemCount)))
            span.set("sluice.items.rejected", .integer(Int64(answer.rejectedCount)))
            span.set("http.response.status_code", 200)
            environment.spans.end(span)
        }
        reply.send(answers.success(answer, to: request, answering: reply.head))
    }

    private func fail(_ failure: OTLPFailure, _ request: OTLPRequest, _ reply: OTLPReply) {
        if var span = request.span {
            span.set("http.response.status_code", .integer(Int64(failure.status.code)))
            environment.spans.end(span, failure: failure.message)
        }
        if let limit = failure.limit {
            refusedRequests.with(environment.component.id, limit.description).add()
        }
        log(failure, reply.head, reply.exchange.peer, trace: request.context.trace)
        reply.send(answers.failure(failure, answering: reply.head))
    }

    private func partialMessage(_ checked: OTLPWorkspace.Checked, _ signal: Signal) -> String {
        guard let (item, fault) = checked.firstFault else { return "" }
        let total = checked.batch.itemCount + checked.rejectedItemCount
        let noun = signal.itemNoun.split(separator: "_").joined(separator: " ")
        return
            "\(checked.rejectedItemCount) of \(total) \(noun) were rejected; the first is number "
            + "\(item + 1) of the request: \(fault.explanation)"
    }

    private func note(_ checked: OTLPWorkspace.Checked, _ request: OTLPRequest) {
        let id = environment.component.id
        let signal = request.signal.name
        if checked.repairedTextCount > 0 {
            repairedTexts.with(id, signal).add(checked.repairedTextCount)
        }
        guard checked.rejectedItemCount > 0, let first = checked.firstFault else { return }
        rejectedItems.with(id, signal, "\(first.fault)").add(checked.rejectedItemCount)
        environment.component.log.rateLimited.warn(
            "invalid items rejected", LogField("signal", signal),
            LogField("items", checked.rejectedItemCount),
            LogField("reason", first.fault.explanation), trace: request.context.trace)
    }

    private func log(
        _ failure: OTLPFailure, _ head: HTTPRequestHead?, _ peer: SocketAddress,
        speaking foreign: ForeignProtocol? = nil, trace: TraceContext? = nil
    ) {
        // One kind of refusal must not hide another: the rate limit is per message.
        let message: StaticString =
            switch failure.status.code {
            case _ where foreign == .tls: "client refused, it speaks TLS"
            case _ where foreign == .http2: "client refused, it speaks HTTP/2 (gRPC)"
            case _ where foreign == .proxy: "client refused, it speaks the PROXY protocol"
            case 400: "bad request refused"
            case 408: "slow request refused"
            case 413: "request refused, too large"
            case 503: "request refused, no room"
            default: "request refused"
            }
        // What HTTP itself refuses may have no head that could be read.
        environment.component.log.rateLimited.warn(
            message, LogField("status", failure.status.code),
            LogField("reason", failure.message),
            LogField("path", head.map { String($0.path.prefix(128)) } ?? ""),
            LogField("client", peer.host), trace: trace)
    }

    // MARK: What the head says

    private func context(
        of head: HTTPRequestHead, _ peer: SocketAddress, _ trace: TraceContext?
    ) -> RequestContext {
        var context = RequestContext(
            peer: peer, trace: trace, receivedAt: environment.component.clock.unixNanoseconds)
        if settings.includesMetadata {
            for field in head.headers.fields {
                context.metadata[field.name.lowercased(), default: []].append(field.value)
            }
        }
        return context
    }

    private static func trace(of head: HTTPRequestHead) -> TraceContext? {
        let parents = head.headers.values("traceparent")
        guard parents.count == 1 else { return nil }
        return TraceContext(
            traceparent: parents[0], traceState: head.headers.values("tracestate"))
    }

    private func span(
        for head: HTTPRequestHead, continuing parent: TraceContext, bodyBytes: Int
    ) -> IngestSpan? {
        let route = String(head.path)
        var span = environment.spans.start("POST \(route)", parent: parent)
        span?.set("http.request.method", "POST")
        span?.set("http.route", .string(route))
        span?.set("http.request.body.size", .integer(Int64(bodyBytes)))
        return span
    }
}
