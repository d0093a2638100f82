import DurableLog
import HTTP
import OTLP
import Pipeline
import Platform
import Telemetry

extension Gateway {
    /// Gives up what a cursor without an exporter holds, in all logs.
    func abandon(_ cursor: String) throws(ControlError) -> String {
        var abandoned: [(pipeline: String, items: Int)] = []
        for durable in data.all {
            let account = durable.accounts.cursors.first { $0.name == cursor }
            guard let account else { continue }
            guard account.isOrphan else {
                throw ControlError(
                    .conflict,
                    "exporter '\(cursor)' is configured, or still delivers what it has; take it "
                        + "out of the configuration and restart")
            }
            abandoned.append((durable.name, durable.abandonOrphan(cursor) ?? 0))
        }
        guard !abandoned.isEmpty else {
            throw ControlError(.notFound, "no log has a cursor '\(cursor)'")
        }
        for (pipeline, items) in abandoned {
            log.warn(
                "items given up by command", LogField("pipeline", pipeline),
                LogField("exporter", cursor), LogField("items", items))
        }
        let list = abandoned.map { pipeline, items in
            #"{"pipeline":\#(OTLPJSON.quoted(pipeline)),"items":\#(items)}"#
        }
        return #"{"abandoned":[\#(list.joined(separator: ","))]}"#
    }

    /// Sends what the logs still have of a time range to an exporter again.
    ///
    /// - Parameter pipeline: of one pipeline alone.
    func replay(
        _ request: Replay.Request, to exporter: String, pipeline: String?
    ) throws(ControlError) -> Replay {
        guard let delivery = delivery(of: exporter) else {
            throw ControlError(.notFound, "no exporter '\(exporter)' is running")
        }
        var logs = delivery.queue.cursors
        if let pipeline {
            logs = logs.filter { $0.log.name == pipeline }
            guard !logs.isEmpty else {
                throw ControlError(
                    .notFound, "exporter '\(exporter)' has nothing of a pipeline '\(pipeline)'")
            }
        }
        let replay = try replays.start(.logs(logs, request), to: exporter, delivery)
        log.info(
            "a time range is sent again", LogField("exporter", exporter),
            LogField("replay", replay.number))
        return replay
    }

    /// Sends what was set aside of an exporter to it again.
    func resend(to exporter: String) throws(ControlError) -> Replay {
        guard let delivery = delivery(of: exporter), let letters = data.safety.deadLetters else {
            throw ControlError(.notFound, "no exporter '\(exporter)' is running")
        }
        let files: [DeadLetterFile]
        do throws(SystemError) {
            files = try letters.files(of: exporter)
        } catch {
            throw ControlError(.internalServerError, "dead-letter/: \(error)")
        }
        let replay = try replays.start(.deadLetters(letters, files), to: exporter, delivery)
        log.info(
            "dead letters are sent again", LogField("exporter", exporter),
            LogField("files", files.count))
        return replay
    }
}
