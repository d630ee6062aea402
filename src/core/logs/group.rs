//! The identifier of a log group: its name, and before it its region where that is not the console's own.
//!
//! A name alone would not do: a service may log to another region, where a group of the same name is another
//! group. No log group's name holds a colon (CloudWatch Logs API reference, CreateLogGroup), so an
//! identifier such as `us-east-1:/ecs/api` cannot be mistaken.

/// The identifier of a group; `home` is the region that the console works in.
pub fn id(name: &str, region: Option<&str>, home: &str) -> String {
    match region.filter(|region| !region.is_empty() && *region != home) {
        Some(region) => format!("{region}:{name}"),
        None => name.to_owned(),
    }
}

/// Region and name of a group by its identifier; no region where it is the console's own.
pub fn parts(id: &str) -> (Option<&str>, &str) {
    match id.split_once(':') {
        Some((region, name)) if !region.is_empty() => (Some(region), name),
        _ => (None, id),
    }
}

/// The identifier of a group that an operator names: by its name, its identifier, or its ARN.
pub fn typed(text: &str, home: &str) -> String {
    let text = text.trim();
    let arn: Vec<&str> = text.splitn(7, ':').collect();
    if let ["arn", _, "logs", region, _, "log-group", name] = arn.as_slice() {
        let name = name.split(':').next().unwrap_or(name);
        return id(name, Some(region), home);
    }
    match parts(text) {
        (region @ Some(_), name) => id(name, region, home),
        (None, name) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/ecs/api", "/ecs/api", None)]
    #[case("us-east-1:/ecs/api", "us-east-1:/ecs/api", Some("us-east-1"))]
    #[case("eu-west-1:/ecs/api", "/ecs/api", None)]
    #[case("arn:aws:logs:us-east-1:123456789012:log-group:/ecs/api", "us-east-1:/ecs/api", Some("us-east-1"))]
    #[case("arn:aws:logs:us-east-1:123456789012:log-group:/ecs/api:*", "us-east-1:/ecs/api", Some("us-east-1"))]
    #[case("arn:aws-cn:logs:eu-west-1:123456789012:log-group:/ecs/api:*", "/ecs/api", None)]
    fn a_group_is_known_by_name_and_region(#[case] said: &str, #[case] expected: &str, #[case] region: Option<&str>) {
        let id = typed(said, "eu-west-1");
        assert_eq!((id.as_str(), parts(&id)), (expected, (region, "/ecs/api")));
    }
}
