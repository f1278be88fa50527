//! Completes the OpenAPI document: what holds for every operation of a kind is said once, here.

use serde_json::{Map, Value, json};

/// Requests and answers by operation, as a reader would see them.
const EXAMPLES: &str = include_str!("examples.json");

/// A session's id.
const SESSION_ID: &str = "^[0-9a-f]{16}$";
/// A server's name.
const SERVER_ID: &str = "^[A-Za-z0-9_-]{1,63}$";

/// What may go wrong on the way to a session.
const OF_SESSIONS: [(&str, &str); 2] = [
    (
        "502",
        "`link-broken`: the desktop side answered something unusable",
    ),
    (
        "504",
        "The session's server, or the desktop side, did not answer in time",
    ),
];

/// What a start may come to besides.
const OF_A_START: [(&str, &str); 2] = [
    (
        "428",
        "`authentication-required`: open a link on `serverId` first, then repeat this under the same key",
    ),
    ("429", "`too-many-sessions`"),
];

/// Operations at which the desktop side writes into the session's folder.
const WRITES: [&str; 3] = ["startSession", "changeSession", "terminateSession"];
/// What they may come to besides.
const OF_WRITING: (&str, &str) = (
    "507",
    "`session-folder`: the session's files cannot be written",
);

/// Operation that makes something, where its id is in the answer, and what can be done with it.
const LINKS: [(&str, &str, &str, &str, &[&str]); 4] = [
    (
        "startSession",
        "201",
        "id",
        "$response.body#/session/id",
        &[
            "getSession",
            "changeSession",
            "connectSession",
            "disconnectSession",
            "getDecision",
            "getLog",
            "getScreenshot",
            "staySession",
            "shareSession",
            "terminateSession",
            "purgeSession",
        ],
    ),
    (
        "shareSession",
        "201",
        "share",
        "$response.body#/id",
        &["unshareSession"],
    ),
    (
        "makeToken",
        "201",
        "id",
        "$response.body#/id",
        &["changeToken", "endToken"],
    ),
    (
        "openLink",
        "202",
        "conversation",
        "$response.body#/id",
        &["answerLink"],
    ),
];

/// Adds refusals, forms of names, examples, links and ways to sign in. Needs the rights of each operation in place.
pub(super) fn complete(document: &mut Value) {
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    each_operation(document, |path, operation| {
        refusals(path, operation);
        names(path, operation);
        links(operation);
        let id = operation["operationId"].as_str().unwrap_or_default();
        illustrate(operation, &examples[id]);
        if operation["x-right"].is_string() {
            operation["security"] = json!([{"bearer": []}, {"cookie": []}]);
        }
    });
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "For programs: the token of a sign-in with `\"token\": true`, or one of `makeToken`",
        },
        "cookie": {
            "type": "apiKey", "in": "cookie", "name": "__Host-fastx",
            "description": "For pages: whatever changes something also needs the header `X-Fastx-Csrf` and a known `Origin`",
        },
    });
}

/// Fields of a field that may be missing: an index would put `null` there.
fn fields<'a>(of: &'a mut Value, name: &str) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    let found = of.get_mut(name).and_then(Value::as_object_mut);
    found.into_iter().flatten()
}

fn each_operation(document: &mut Value, mut change: impl FnMut(&str, &mut Value)) {
    for (path, operations) in fields(document, "paths") {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            change(path, operation);
        }
    }
}

/// What any operation of this kind may answer, where it does not say so itself.
fn refusals(path: &str, operation: &mut Value) {
    let parameters = operation["parameters"].as_array().cloned();
    let takes = |place: &str| parameters.iter().flatten().any(|p| p["in"] == place);
    let mut all: Vec<(&str, &str)> = Vec::new();
    if takes("query") || takes("header") {
        all.push(("400", "A parameter is not valid"));
    }
    if operation["requestBody"].is_object() {
        all.extend([
            (
                "400",
                "The body is not JSON, or something in it is not valid",
            ),
            ("413", "The body is too large"),
            ("415", "The body is not said to be JSON"),
            (
                "422",
                "A field is missing, has the wrong type, or names what does not exist",
            ),
        ]);
    }
    if path.contains('{') {
        all.push(("404", "There is no such thing, or it is not the caller's"));
    }
    if operation["x-right"].is_string() {
        all.extend([
            ("401", "Not signed in, or no longer"),
            (
                "403",
                "The user may not do this, or the page is a foreign one",
            ),
            (
                "503",
                "Something that is needed does not answer; to be tried again",
            ),
        ]);
    }
    let of_sessions = path.starts_with("/api/v1/sessions/") && !path.ends_with("/display");
    let starts = operation["operationId"] == "startSession";
    if of_sessions || starts {
        all.extend(OF_SESSIONS);
    }
    if starts {
        all.extend(OF_A_START);
    }
    if WRITES.iter().any(|id| operation["operationId"] == *id) {
        all.push(OF_WRITING);
    }
    let Some(responses) = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for (status, words) in all {
        let refusal = responses.entry(status).or_insert_with(|| {
            json!({"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
        });
        if refusal["description"].as_str().is_none_or(str::is_empty) {
            refusal["description"] = words.into();
        }
    }
}

/// Says which form the names in a path have.
fn names(path: &str, operation: &mut Value) {
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter["in"] != "path" {
            continue;
        }
        let (pattern, example) = match parameter["name"].as_str() {
            Some("id") if path.contains("/sessions/") => (SESSION_ID, "3f9a51c07be2d846"),
            Some("serverId") => (SERVER_ID, "alpha"),
            _ => continue,
        };
        parameter["schema"]["pattern"] = pattern.into();
        parameter["example"] = example.into();
    }
}

fn links(operation: &mut Value) {
    for (of, status, parameter, from, targets) in LINKS {
        if operation["operationId"] != of {
            continue;
        }
        let links: Map<String, Value> = targets
            .iter()
            .map(|target| {
                let mut parameters = json!({ (parameter): from });
                if of == "shareSession" {
                    parameters["id"] = "$request.path.id".into();
                }
                if of == "openLink" {
                    parameters["serverId"] = "$request.path.serverId".into();
                }
                let link = json!({"operationId": target, "parameters": parameters});
                ((*target).to_owned(), link)
            })
            .collect();
        operation["responses"][status]["links"] = links.into();
    }
}

fn illustrate(operation: &mut Value, examples: &Value) {
    if let Some(request) = operation.get_mut("requestBody") {
        set_example(request, &examples["request"]);
    }
    for (status, response) in fields(operation, "responses") {
        set_example(response, &examples[status.as_str()]);
    }
}

fn set_example(holder: &mut Value, example: &Value) {
    if !example.is_null() {
        for (_, content) in fields(holder, "content") {
            content["example"] = example.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&crate::api::document()).unwrap()
    }

    /// Whether a value has the form of a schema, as far as the document's schemas go; the first fault is named.
    fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = document.pointer(&reference[1..]).ok_or(reference)?;
            return fits(document, target, value, at);
        }
        for any in ["oneOf", "anyOf"] {
            if let Some(ways) = schema[any].as_array() {
                let mut tried = ways.iter().map(|way| fits(document, way, value, at));
                return tried
                    .find(Result::is_ok)
                    .unwrap_or_else(|| Err(format!("{at}: fits no way")));
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            fits(document, part, value, at)?;
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let kinds = &schema["type"];
        let right = kinds.is_null()
            || kinds == kind
            || kinds.as_array().is_some_and(|k| k.contains(&kind.into()));
        if !right {
            return Err(format!("{at}: {value} is no {kinds}"));
        }
        if schema["enum"]
            .as_array()
            .is_some_and(|all| !all.contains(value))
        {
            return Err(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap_or_default()).is_none() {
                return Err(format!("{at}: {name} is missing"));
            }
        }
        let open = schema["allOf"].is_array() || schema["properties"].is_null();
        for (name, field) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(name) {
                Some(schema) => fits(document, schema, field, &format!("{at}.{name}"))?,
                None if open => {}
                None => return Err(format!("{at}: {name} is not described")),
            }
        }
        for item in value.as_array().into_iter().flatten() {
            fits(document, &schema["items"], item, &format!("{at}[]"))?;
        }
        Ok(())
    }

    #[test]
    fn every_json_body_has_an_example_that_fits() {
        let mut document = document();
        let all = document.clone();
        each_operation(&mut document, |_, operation| {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let mut holders = vec![("request".to_owned(), operation["requestBody"].clone())];
            let responses = operation["responses"].as_object().unwrap().iter();
            holders.extend(
                responses
                    .filter(|(status, _)| status.starts_with('2'))
                    .map(|(status, response)| (status.clone(), response.clone())),
            );
            for (which, holder) in holders {
                let content = &holder["content"]["application/json"];
                if content.is_null() || id == "getOpenApi" {
                    continue;
                }
                let example = &content["example"];
                assert!(!example.is_null(), "{id} has no example for {which}");
                fits(&all, &content["schema"], example, &format!("{id} {which}")).unwrap();
            }
        });
    }

    #[test]
    fn whatever_writes_into_a_sessions_folder_may_find_the_disk_full() {
        let mut found = Vec::new();
        each_operation(&mut document(), |_, operation| {
            if operation["responses"]["507"]["content"]["application/problem+json"].is_object() {
                found.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        });
        found.sort_unstable();
        assert_eq!(found, ["changeSession", "startSession", "terminateSession"]);
    }

    #[test]
    fn every_example_belongs_to_an_operation_and_every_link_leads_to_one() {
        let mut document = document();
        let mut operations = Vec::new();
        let mut targets = Vec::new();
        each_operation(&mut document, |_, operation| {
            operations.push(operation["operationId"].as_str().unwrap().to_owned());
            for (_, response) in operation["responses"].as_object().unwrap() {
                for (name, _) in response["links"].as_object().into_iter().flatten() {
                    targets.push(name.clone());
                }
            }
        });
        let examples: Value = serde_json::from_str(EXAMPLES).unwrap();
        for name in examples.as_object().unwrap().keys().chain(&targets) {
            assert!(operations.contains(name), "{name}");
        }
        assert!(targets.len() > 10, "{targets:?}");
    }
}
