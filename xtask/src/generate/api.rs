//! The field reference, `docs/reference/api.md`, from the schemas of the definitions.

use std::collections::VecDeque;
use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

const INTRODUCTION: &str = "\
# Reference of the custom resources

Made from `crds/src` by `cargo xtask generate`; change it there.
`kubectl explain` says the same about the definitions that are installed: each heading below is a path for it.
**Required** marks a field that must be given when what it belongs to is.
";

/// The whole page.
pub(super) fn page(definitions: &[CustomResourceDefinition]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for definition in definitions {
        let names = &definition.spec.names;
        let _ = write!(text, "\n## {}\n\n", names.kind);
        for version in &definition.spec.versions {
            let aliases = names.short_names.iter().flatten().map(String::as_str);
            let called: Vec<&str> = std::iter::once(names.plural.as_str())
                .chain(aliases)
                .collect();
            let _ = writeln!(
                text,
                "`apiVersion: {}/{}`, called `{}` on the command line.",
                definition.spec.group,
                version.name,
                called.join("`, `")
            );
            let schema = version
                .schema
                .as_ref()
                .and_then(|s| s.open_api_v3_schema.as_ref());
            if let Some(schema) = schema {
                kind(&mut text, &names.kind.to_lowercase(), schema);
            }
        }
    }
    text
}

fn kind(text: &mut String, kind: &str, schema: &JSONSchemaProps) {
    rules(text, schema);
    for part in ["spec", "status"] {
        if let Some(schema) = schema.properties.as_ref().and_then(|p| p.get(part)) {
            objects(text, &format!("{kind}.{part}"), schema);
        }
    }
}

/// One section for each object, breadth first, so that a reader meets the outline before the details.
fn objects(text: &mut String, path: &str, schema: &JSONSchemaProps) {
    let mut queue = VecDeque::from([(path.to_owned(), schema)]);
    while let Some((path, schema)) = queue.pop_front() {
        section(text, &path, schema);
        for (name, field) in schema.properties.iter().flatten() {
            let (_, inner) = innermost(field);
            if inner.properties.is_some() {
                queue.push_back((format!("{path}.{name}"), inner));
            }
        }
    }
}

/// What a list or a map consists of, and a mark that says which of them it is.
fn innermost(schema: &JSONSchemaProps) -> (&'static str, &JSONSchemaProps) {
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        return ("[]", item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        return ("{}", value);
    }
    ("", schema)
}

fn section(text: &mut String, path: &str, schema: &JSONSchemaProps) {
    let _ = write!(text, "\n### {path}\n\n");
    if let Some(description) = &schema.description {
        let _ = write!(text, "{}\n\n", sentences(description));
    }
    text.push_str("| Field | Type | Meaning |\n|---|---|---|\n");
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} |",
            type_of(field),
            meaning(field, required.contains(name))
        );
    }
    rules(text, schema);
}

/// One sentence a line, as in all our documents.
fn sentences(description: &str) -> String {
    one_line(description).replace(". ", ".\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return "integer or string".into();
    }
    let (suffix, inner) = innermost(schema);
    match suffix {
        "[]" => format!("list of {}", type_of(inner)),
        "{}" => format!("map of {}", type_of(inner)),
        _ => plain_type(schema),
    }
}

fn plain_type(schema: &JSONSchemaProps) -> String {
    if let Some(values) = &schema.enum_ {
        // An optional field has `null` among its values; that is only how it is left out.
        let values = values.iter().map(|v| &v.0).filter(|v| !v.is_null());
        return values
            .map(|v| {
                format!(
                    "`{}`",
                    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
                )
            })
            .collect::<Vec<_>>()
            .join(", ");
    }
    let name = schema.type_.as_deref().unwrap_or("any");
    match schema.format.as_deref() {
        Some("date-time") => "time".into(),
        _ => name.to_owned(),
    }
}

fn meaning(schema: &JSONSchemaProps, required: bool) -> String {
    let mut parts = Vec::new();
    if required {
        parts.push("**Required.**".to_owned());
    }
    if let Some(description) = &schema.description {
        parts.push(one_line(description));
    }
    let limits = limits(schema);
    if !limits.is_empty() {
        parts.push(format!("{}.", limits.join(", ")));
    }
    if let Some(default) = schema.default.as_ref().filter(|d| !d.0.is_null()) {
        parts.push(format!("Default: `{}`.", default.0));
    }
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        // The rules of an object stand below its own table.
        if schema.properties.is_none() {
            parts.push(rule_text(rule.message.as_deref(), &rule.rule));
        }
    }
    parts.join(" ").replace('|', "\\|")
}

/// Bounds in words, each beginning in lower case except the first.
fn limits(schema: &JSONSchemaProps) -> Vec<String> {
    let mut limits = Vec::new();
    let mut range = |low: Option<String>, high: Option<String>, what: &str| match (low, high) {
        (Some(low), Some(high)) => limits.push(format!("{low} to {high}{what}")),
        (Some(low), None) => limits.push(format!("{low}{what} or more")),
        (None, Some(high)) => limits.push(format!("at most {high}{what}")),
        (None, None) => {}
    };
    let number = |value: Option<i64>| value.map(|v| v.to_string());
    let real = |value: Option<f64>| value.map(|v| v.to_string());
    range(real(schema.minimum), real(schema.maximum), "");
    range(
        number(schema.min_length),
        number(schema.max_length),
        " characters",
    );
    range(
        number(schema.min_items),
        number(schema.max_items),
        " entries",
    );
    range(
        number(schema.min_properties),
        number(schema.max_properties),
        " entries",
    );
    if let Some(pattern) = &schema.pattern {
        limits.push(format!("matching `{pattern}`"));
    }
    if let Some(first) = limits.first_mut() {
        // A sentence begins here.
        if let Some(rest) = first.strip_prefix("at most") {
            *first = format!("At most{rest}");
        } else if let Some(rest) = first.strip_prefix("matching") {
            *first = format!("Matching{rest}");
        }
    }
    limits
}

fn rules(text: &mut String, schema: &JSONSchemaProps) {
    let rules = schema.x_kubernetes_validations.iter().flatten();
    let lines: Vec<String> = rules
        .map(|rule| format!("- {}\n", rule_text(rule.message.as_deref(), &rule.rule)))
        .collect();
    if !lines.is_empty() {
        let _ = write!(text, "\nRules:\n\n{}", lines.concat());
    }
}

fn rule_text(message: Option<&str>, rule: &str) -> String {
    match message {
        Some(message) => format!("{}.", one_line(message).trim_end_matches('.')),
        None => format!("`{}`.", one_line(rule)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSON, ValidationRule,
    };
    use serde_json::json;

    fn schema(value: serde_json::Value) -> JSONSchemaProps {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_field_says_type_limits_default_and_rules() {
        let mut field = schema(json!({"type": "integer", "minimum": 1, "maximum": 3,
            "description": "How many\nreplicas."}));
        field.default = Some(JSON(json!(2)));
        field.x_kubernetes_validations = Some(vec![ValidationRule {
            rule: "self != 2".into(),
            message: Some("`replicas` must be odd".into()),
            ..ValidationRule::default()
        }]);
        assert_eq!(type_of(&field), "integer");
        assert_eq!(
            meaning(&field, true),
            "**Required.** How many replicas. 1 to 3. Default: `2`. `replicas` must be odd."
        );
    }

    #[test]
    fn lists_and_maps_name_what_they_hold() {
        let list = schema(json!({"type": "array", "items": {"type": "string"}, "maxItems": 4}));
        assert_eq!(type_of(&list), "list of string");
        assert_eq!(meaning(&list, false), "At most 4 entries.");
        let map = schema(json!({"type": "object", "additionalProperties": {"type": "string"}}));
        assert_eq!(type_of(&map), "map of string");
        let choice = schema(json!({"type": "string", "enum": ["A", "B", null]}));
        assert_eq!(type_of(&choice), "`A`, `B`");
    }

    #[test]
    fn nested_objects_get_their_own_section() {
        let mut text = String::new();
        let nested = schema(
            json!({"type": "object", "properties": {"store": {"type": "object",
            "properties": {"size": {"type": "string"}}, "required": ["size"]}}}),
        );
        objects(&mut text, "spec", &nested);
        let store = text.find("### spec.store").expect("a section of its own");
        assert!(text.find("### spec\n").is_some_and(|spec| spec < store));
        assert!(text[store..].contains("| `size` | string | **Required.** |"));
    }
}
