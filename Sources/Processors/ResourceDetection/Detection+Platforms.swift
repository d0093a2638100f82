import Configuration

/// Platforms that tell a program about itself by variables and files.
extension Detection {
    /// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    mutating func detectLambda() {
        let variable = { [sources] (name: String) in sources.environment("AWS_LAMBDA_" + name) }
        guard let name = variable("FUNCTION_NAME"), !name.isEmpty else { return }
        attributes.add("cloud.provider", "aws")
        attributes.add("cloud.platform", "aws_lambda")
        attributes.add("cloud.region", sources.environment("AWS_REGION"))
        attributes.add("faas.name", name)
        attributes.add("faas.version", variable("FUNCTION_VERSION"))
        attributes.add("faas.instance", variable("LOG_STREAM_NAME"))
        attributes.add("faas.max_memory", variable("FUNCTION_MEMORY_SIZE"))
        if let group = variable("LOG_GROUP_NAME") {
            attributes.add("aws.log.group.names", .strings([group]))
        }
        if let stream = variable("LOG_STREAM_NAME") {
            attributes.add("aws.log.stream.names", .strings([stream]))
        }
    }

    /// https://devcenter.heroku.com/articles/dyno-metadata
    mutating func detectHeroku() {
        let variable = { [sources] (name: String) in sources.environment("HEROKU_" + name) }
        guard let dyno = variable("DYNO_ID") else { return }
        attributes.add("cloud.provider", "heroku")
        attributes.add("service.instance.id", dyno)
        attributes.add("heroku.app.id", variable("APP_ID"))
        attributes.add("service.name", variable("APP_NAME"))
        attributes.add("heroku.release.creation_timestamp", variable("RELEASE_CREATED_AT"))
        attributes.add("service.version", variable("RELEASE_VERSION"))
        attributes.add("heroku.release.commit", variable("SLUG_COMMIT"))
    }

    /// JSON, which is YAML.
    mutating func detectElasticBeanstalk() {
        guard let text = sources.file("/var/elasticbeanstalk/xray/environment.conf") else { return }
        let diagnostics = Diagnostics()
        guard let root = YAML.parse(text, file: "environment.conf", diagnostics: diagnostics),
            !diagnostics.hasErrors, root.entries != nil
        else { return noteUnreadable("/var/elasticbeanstalk/xray/environment.conf") }
        attributes.add("cloud.provider", "aws")
        attributes.add("cloud.platform", "aws_elastic_beanstalk")
        attributes.add("service.instance.id", root["deployment_id"]?.int.map { "\($0)" })
        attributes.add("deployment.environment", root["environment_name"]?.string)
        attributes.add("service.version", root["version_label"]?.string)
    }

    /// Lines of `key=value`.
    mutating func detectDynatrace() {
        let path = "/var/lib/dynatrace/enrichment/dt_host_metadata.properties"
        for line in (sources.file(path) ?? "").split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let key = Self.trimmed(parts[0])
            // What the Collector's detector takes of it.
            if ["dt.entity.host", "host.name", "dt.smartscape.host"].contains(key) {
                attributes.add(key, Self.trimmed(parts[1]))
            }
        }
    }
}
