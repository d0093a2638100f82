import Glibc
import Platform

/// Where a configuration's texts come from: passed in, so that tests need no files or variables.
public struct ConfigurationSources {
    /// Why a file can't be read, in words: `no such file or directory`.
    public struct ReadError: Error, Hashable {
        public var reason: String

        public init(reason: String) {
            self.reason = reason
        }
    }

    /// The value of an environment variable, nil if it isn't set.
    public var environment: (String) -> String?
    /// A whole file; `-` is the standard input.
    public var readFile: (String) throws(ReadError) -> [UInt8]

    public init(
        environment: @escaping (String) -> String?,
        readFile: @escaping (String) throws(ReadError) -> [UInt8]
    ) {
        self.environment = environment
        self.readFile = readFile
    }

    /// The environment and the files of this process.
    public static var process: ConfigurationSources {
        ConfigurationSources(environment: environmentVariable, readFile: readWholeFile)
    }
}

private func environmentVariable(_ name: String) -> String? {
    // SAFETY: the text is copied at once. Nothing in this process calls setenv, so that nobody
    // moves it meanwhile.
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
}

private func readWholeFile(_ path: String) throws(ConfigurationSources.ReadError) -> [UInt8] {
    do throws(SystemError) {
        let file = path == "-" ? "/dev/stdin" : path
        return try FileSystem.read(file, bytesMax: YAMLComposer.bytesMax)
    } catch {
        let reason =
            error.errno == EFBIG
            ? "it is larger than \(ByteSize.format(YAMLComposer.bytesMax))"
            : SystemError.text(of: error.errno)
        throw ConfigurationSources.ReadError(reason: reason)
    }
}
