/// Configuration files as text.
public enum YAML {
    /// Parses one document. Faults go to `diagnostics`; nil if the text is not YAML at all.
    ///
    /// - Parameter file: The name that positions show.
    public static func parse(
        _ bytes: [UInt8], file: String, diagnostics: Diagnostics
    ) -> ConfigurationNode? {
        do throws(YAMLError) {
            let (root, errors) = try YAMLComposer.compose(bytes, file: file)
            for error in errors { diagnostics.error(at: error.position, error.message) }
            return root
        } catch {
            diagnostics.error(at: error.position, error.message)
            return nil
        }
    }

    /// Parses a text that is at hand as a string, as tests have it.
    public static func parse(
        _ text: String, file: String, diagnostics: Diagnostics
    ) -> ConfigurationNode? {
        parse(Array(text.utf8), file: file, diagnostics: diagnostics)
    }
}
