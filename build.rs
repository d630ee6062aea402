//! Reads the packed templates once, when the crate is built, and writes what the console needs of them
//! as constants: the parameters with their allowed values, and the numbers of resources and rules.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};

/// The constants of `core::environment::template`, and the file of each.
const TEMPLATES: [(&str, &str); 5] = [
    ("EDGE", "edge"),
    ("NETWORK", "network"),
    ("PLATFORM", "platform"),
    ("SERVER", "server"),
    ("REPOSITORY", "repository"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut out = String::new();
    for (constant, name) in TEMPLATES {
        let path = format!("stack/{name}.yaml");
        println!("cargo::rerun-if-changed={path}");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let template = template(&text).map_err(|error| format!("{path}: {error}"))?;
        writeln!(out, "const {constant}: Packed = {template};")?;
    }
    writeln!(out, "const ORIGIN_FACING: &[&str] = &{:?};", origin_facing()?)?;
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&folder).join("templates.rs"), out)?;
    Ok(())
}

/// The text of the constant for a template.
fn template(text: &str) -> Result<String, Box<dyn Error>> {
    let documents = Yaml::load_from_str(text)?;
    let template = documents.first().ok_or("there is no document")?;
    let mut parameters = String::new();
    for (name, parameter) in entries(template, "Parameters")? {
        let name = scalar(name)?;
        let fields = fields(parameter).map_err(|error| format!("{name}: {error}"))?;
        writeln!(parameters, "    Parameter {{ name: {name:?}, {fields} }},")?;
    }
    let resources = entries(template, "Resources")?;
    let rules: usize = resources.iter().map(|(_, resource)| web_acl_rules(resource)).sum();
    Ok(format!("Packed {{ resources: {}, web_acl_rules: {rules}, parameters: &[\n{parameters}] }}", resources.len()))
}

/// The regions for which the platform's template knows CloudFront's prefix list.
fn origin_facing() -> Result<Vec<String>, Box<dyn Error>> {
    let text = std::fs::read_to_string("stack/platform.yaml")?;
    let documents = Yaml::load_from_str(&text)?;
    let mappings = documents.first().and_then(|template| template.as_mapping_get("Mappings"));
    let lists = entries(mappings.ok_or("there are no Mappings")?, "OriginFacing")?;
    let id = |list: &Yaml<'_>| list.as_mapping_get("PrefixList").and_then(Yaml::as_str).map(str::to_owned);
    let known = lists.into_iter().filter(|(_, list)| id(list).is_some_and(|id| !id.is_empty()));
    known.map(|(region, _)| scalar(region)).collect()
}

/// The fields of a parameter: its default and which values it may have.
fn fields(parameter: &Yaml<'_>) -> Result<String, Box<dyn Error>> {
    let text = |key: &str| parameter.as_mapping_get(key).map(scalar).transpose();
    let number = |key: &str| text(key)?.map(|text| text.parse::<u64>()).transpose().map_err(Box::<dyn Error>::from);
    let range = match (number("MinValue")?, number("MaxValue")?) {
        (None, None) => None,
        (Some(min), Some(max)) => Some((min, max)),
        _ => return Err("MinValue and MaxValue come together".into()),
    };
    let allowed = parameter.as_mapping_get("AllowedValues").and_then(Yaml::as_sequence);
    let allowed: Vec<String> = allowed.into_iter().flatten().map(scalar).collect::<Result<_, _>>()?;
    Ok(format!(
        "default: {:?}, allowed: &{allowed:?}, range: {range:?}, pattern: {:?}, possible: {:?}",
        text("Default")?,
        text("AllowedPattern")?,
        text("ConstraintDescription")?,
    ))
}

/// The number of rules in a web ACL, 0 for another resource. AWS bills a managed group as one rule.
fn web_acl_rules(resource: &Yaml<'_>) -> usize {
    let is_acl = resource.as_mapping_get("Type").and_then(Yaml::as_str) == Some("AWS::WAFv2::WebACL");
    let properties = resource.as_mapping_get("Properties").filter(|_| is_acl);
    let rules = properties.and_then(|properties| properties.as_mapping_get("Rules"));
    rules.and_then(Yaml::as_sequence).map_or(0, |rules| rules.len())
}

fn entries<'a, 'input>(
    template: &'a Yaml<'input>,
    section: &str,
) -> Result<Vec<(&'a Yaml<'input>, &'a Yaml<'input>)>, Box<dyn Error>> {
    let mapping = template.as_mapping_get(section).and_then(Yaml::as_mapping);
    Ok(mapping.ok_or_else(|| format!("there are no {section}"))?.iter().collect())
}

/// A scalar as text, because every parameter of CloudFormation is a text.
fn scalar(node: &Yaml<'_>) -> Result<String, Box<dyn Error>> {
    match node {
        Yaml::Value(Scalar::String(text)) => Ok(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Ok(number.to_string()),
        Yaml::Value(Scalar::Boolean(truth)) => Ok(truth.to_string()),
        other => Err(format!("{other:?} is not a text").into()),
    }
}
