public import Configuration
import OTLP
public import Pipeline
import Platform

/// `nop`: receives nothing. For a pipeline that another configuration fills in.
final class NopReceiver: Receiver {
    let boundAddresses: [SocketAddress] = []
    func start() {}
    func feed(_ intakes: [Signal: Intake]) {}
    func stopAccepting() {}
    func drain(until deadline: Instant) -> Bool { true }
}

public enum NopReceiverFactory: ReceiverFactory {
    public struct Settings: Sendable, Equatable {}

    public static let type = "nop"

    public static func read(_ reader: inout MappingReader) -> Settings { Settings() }

    public static func make(
        _ settings: Settings, _ environment: ReceiverEnvironment
    ) throws(ComponentError) -> any Receiver { NopReceiver() }
}
