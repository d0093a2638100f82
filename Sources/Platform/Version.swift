/// The version of the whole program.
public enum Version {
    public static let current = "0.1.0"
}
