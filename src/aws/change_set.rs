//! What a change set would do, in domain types.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types as sdk;
use serde_json::Value;

use super::convert::{some_text, text};
use crate::core::stack::{ChangeAction, PropertyChange, Replacement, ResourceChange};

/// One change of a change set; `None` if it is not about a resource (a hook).
pub(super) fn resource_change(found: &sdk::Change) -> Option<ResourceChange> {
    let found = found.resource_change()?;
    let action = match found.action() {
        Some(sdk::ChangeAction::Add) => ChangeAction::Add,
        Some(sdk::ChangeAction::Modify) => ChangeAction::Modify,
        Some(sdk::ChangeAction::Remove) => ChangeAction::Remove,
        _ => ChangeAction::Other,
    };
    let replacement = match found.replacement() {
        Some(sdk::Replacement::True) => Replacement::Yes,
        Some(sdk::Replacement::Conditional) => Replacement::Maybe,
        _ => Replacement::No,
    };
    let kept = kept(found);
    let properties = if action == ChangeAction::Modify { properties(found) } else { Vec::new() };
    Some(ResourceChange {
        logical_id: text(found.logical_resource_id()),
        kind: text(found.resource_type()),
        action,
        replacement,
        kept,
        properties,
    })
}

/// Whether what goes stays outside the stack.
fn kept(found: &sdk::ResourceChange) -> bool {
    use sdk::PolicyAction::{ReplaceAndRetain, ReplaceAndSnapshot, Retain, Snapshot};
    found
        .policy_action()
        .is_some_and(|action| matches!(action, Retain | ReplaceAndRetain | Snapshot | ReplaceAndSnapshot))
}

/// What changes in each property: from the details if they carry values, else by comparing the whole
/// resource before and after, else the names alone.
fn properties(found: &sdk::ResourceChange) -> Vec<PropertyChange> {
    let mut named: BTreeMap<String, PropertyChange> = BTreeMap::new();
    for target in found.details().iter().filter_map(|detail| detail.target()) {
        let path = path(target);
        let entry = named.entry(path.clone()).or_insert(PropertyChange { path, before: None, after: None });
        // The same property is listed once for each cause; not every entry carries the values.
        entry.before = entry.before.take().or_else(|| some_text(target.before_value()));
        entry.after = entry.after.take().or_else(|| some_text(target.after_value()));
    }
    let valued = named.values().any(|change| change.before.is_some() || change.after.is_some());
    if valued {
        return named.into_values().collect();
    }
    let compared = compare(found.before_context(), found.after_context());
    if compared.is_empty() { named.into_values().collect() } else { compared }
}

/// `Properties.A.B`, made of the path `/Properties/A/B` or of the attribute and the property's name.
fn path(target: &sdk::ResourceTargetDefinition) -> String {
    if let Some(path) = target.path().filter(|path| !path.is_empty()) {
        return text(Some(&path.trim_start_matches('/').replace('/', ".")));
    }
    let attribute = text(target.attribute().map(sdk::ResourceAttribute::as_str));
    match some_text(target.name()) {
        Some(name) => format!("{attribute}.{name}"),
        None => attribute,
    }
}

/// Values that differ between two JSON documents; none if one of them is missing or is not JSON.
fn compare(before: Option<&str>, after: Option<&str>) -> Vec<PropertyChange> {
    let (before, after) = (leaves(before), leaves(after));
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    let change = |path: &String| PropertyChange {
        path: path.clone(),
        before: before.get(path).cloned(),
        after: after.get(path).cloned(),
    };
    changed.map(change).collect()
}

fn leaves(document: Option<&str>) -> Option<BTreeMap<String, String>> {
    let value: Value = serde_json::from_str(document?).ok()?;
    let mut out = BTreeMap::new();
    collect_leaves(String::new(), &value, &mut out);
    Some(out)
}

fn collect_leaves(path: String, value: &Value, out: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect_leaves(below(key), value, out)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| collect_leaves(below(&index.to_string()), value, out));
        }
        Value::String(leaf) => drop(out.insert(text(Some(&path)), text(Some(leaf)))),
        leaf => drop(out.insert(text(Some(&path)), text(Some(&leaf.to_string())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&str>, after: Option<&str>, detail: Option<sdk::ResourceTargetDefinition>) -> sdk::Change {
        let detail = detail.map(|target| vec![sdk::ResourceChangeDetail::builder().target(target).build()]);
        let resource = sdk::ResourceChange::builder()
            .action(sdk::ChangeAction::Modify)
            .replacement(sdk::Replacement::Conditional)
            .logical_resource_id("Service")
            .resource_type("AWS::ECS::Service")
            .set_before_context(before.map(Into::into))
            .set_after_context(after.map(Into::into))
            .set_details(detail)
            .build();
        sdk::Change::builder().resource_change(resource).build()
    }

    fn property(path: &str, before: Option<&str>, after: Option<&str>) -> PropertyChange {
        PropertyChange { path: path.into(), before: before.map(Into::into), after: after.map(Into::into) }
    }

    #[test]
    fn property_values_are_read_from_the_details_of_a_change() {
        let target = sdk::ResourceTargetDefinition::builder()
            .attribute(sdk::ResourceAttribute::Properties)
            .path("/Properties/DesiredCount")
            .before_value("1")
            .after_value("2")
            .build();
        let found = resource_change(&change(None, None, Some(target))).expect("a resource");
        assert_eq!(found.properties, [property("Properties.DesiredCount", Some("1"), Some("2"))]);
        assert_eq!(found.replacement, Replacement::Maybe);
    }

    #[test]
    fn without_values_in_the_details_the_resource_before_and_after_is_compared() {
        let before = r#"{"Properties":{"Cpu":"256","Tags":[{"Key":"a","Value":"1"}]}}"#;
        let after = r#"{"Properties":{"Cpu":"512","Tags":[{"Key":"a","Value":"1"}],"Memory":1024}}"#;
        let name =
            sdk::ResourceTargetDefinition::builder().attribute(sdk::ResourceAttribute::Properties).name("Cpu").build();
        let found = resource_change(&change(Some(before), Some(after), Some(name))).expect("a resource");
        let cpu = property("Properties.Cpu", Some("256"), Some("512"));
        assert_eq!(found.properties, [cpu, property("Properties.Memory", None, Some("1024"))]);
    }

    #[test]
    fn without_any_values_the_names_of_the_properties_are_shown() {
        let name =
            sdk::ResourceTargetDefinition::builder().attribute(sdk::ResourceAttribute::Properties).name("Cpu").build();
        let found = resource_change(&change(Some("no json"), None, Some(name))).expect("a resource");
        assert_eq!(found.properties, [property("Properties.Cpu", None, None)]);
    }
}
