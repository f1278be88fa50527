//! The claim of the store grows with `store.size`: a StatefulSet never changes a claim that it has made.

use serde_json::{Value, json};

use super::validate::{ValidCluster, ValidStore};
use crate::amount::bytes;
use crate::apply::{Applier, ApplyError};
use crate::kind::Kind;
use crate::names;
use crate::queue::Key;
use crate::settled::Settled;

/// What came of a larger `store.size`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Growth {
    /// The claim has it, or never had less.
    #[default]
    Done,
    /// It is on its way.
    Growing(String),
    /// It cannot be had, and what can be done.
    Refused(String),
}

/// The claim of a cluster's store.
pub(super) fn claim_of(cluster: &Key) -> Key {
    Key::new(&cluster.namespace, names::store_claim(&cluster.name))
}

/// Asks for the wanted size, if the claim was made with another one. `made` is the size that the StatefulSet makes claims with.
pub(super) async fn grow(
    applier: &Applier,
    settled: &Settled,
    cluster: &ValidCluster,
    made: Option<&str>,
) -> Result<Growth, ApplyError> {
    let ValidStore::Ferret { size, .. } = &cluster.store else {
        return Ok(Growth::Done);
    };
    let key = claim_of(&cluster.key);
    if made.is_none_or(|made| made == size) || settled.has(Kind::Claim, &key, size) {
        return Ok(Growth::Done);
    }
    // Without a claim there is nothing to grow: the StatefulSet makes one, and its Pod wakes us.
    let Some(mut claim) = applier.read(Kind::Claim, &key).await? else {
        return Ok(Growth::Done);
    };
    if asks_for_less(&claim, size) {
        let change = json!({"spec": {"resources": {"requests": {"storage": size}}}});
        match applier
            .merge(&Kind::Claim.resource(), &key, false, &change)
            .await
        {
            Ok(()) => claim["spec"]["resources"]["requests"]["storage"] = size.as_str().into(),
            Err(error) if error.is_refused() => {
                return Ok(Growth::Refused(refused(&claim, size, &error.text())));
            }
            Err(error) => return Err(error),
        }
    }
    let growth = growth(&claim, size);
    if growth == Growth::Done {
        settled.set(Kind::Claim, &key, size);
    }
    Ok(growth)
}

/// A size that cannot be read is left alone.
fn less(present: &Value, wanted: &str) -> bool {
    let present = present.as_str().and_then(bytes);
    present.zip(bytes(wanted)).is_some_and(|(p, w)| p < w)
}

fn asks_for_less(claim: &Value, wanted: &str) -> bool {
    less(&claim["spec"]["resources"]["requests"]["storage"], wanted)
}

fn refused(claim: &Value, wanted: &str, why: &str) -> String {
    let name = claim["metadata"]["name"].as_str().unwrap_or_default();
    let class = claim["spec"]["storageClassName"].as_str().unwrap_or("-");
    format!(
        "Claim `{name}` cannot grow to {wanted}: {why}. Set `allowVolumeExpansion: true` on StorageClass `{class}` if its \
         provisioner can do that; otherwise restore a snapshot of the volume into a larger claim of the same name."
    )
}

/// What the claim says of a growth that was asked for.
fn growth(claim: &Value, wanted: &str) -> Growth {
    if !less(&claim["status"]["capacity"]["storage"], wanted) {
        return Growth::Done;
    }
    let name = claim["metadata"]["name"].as_str().unwrap_or_default();
    let conditions = claim["status"]["conditions"].as_array();
    let holds = conditions
        .into_iter()
        .flatten()
        .filter(|c| c["status"] == "True");
    let said: Vec<(&str, &str)> = holds
        .filter_map(|c| {
            Some((
                c["type"].as_str()?,
                c["message"].as_str().unwrap_or_default(),
            ))
        })
        .collect();
    if let Some((kind, why)) = said.iter().find(|(kind, _)| kind.ends_with("ResizeError")) {
        return Growth::Refused(format!(
            "Claim `{name}` cannot grow to {wanted} ({kind}): {why} The provisioner tries again by itself."
        ));
    }
    let detail = said
        .iter()
        .find(|(kind, _)| kind.contains("Resiz"))
        .map(|(kind, why)| format!(" ({kind}) {why}"))
        .unwrap_or_default();
    Growth::Growing(format!("Claim `{name}` grows to {wanted}.{detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(request: &str, capacity: &str, conditions: &Value) -> Value {
        json!({
            "metadata": {"name": "data-site-store-0"},
            "spec": {"storageClassName": "slow", "resources": {"requests": {"storage": request}}},
            "status": {"capacity": {"storage": capacity}, "conditions": conditions},
        })
    }

    #[test]
    fn a_claim_is_only_ever_asked_to_grow() {
        for (request, wanted, less) in [
            ("2Gi", "3Gi", true),
            ("2Gi", "2048Mi", false),
            ("2Gi", "2G", false),
            ("5Gi", "3Gi", false),
            ("odd", "3Gi", false),
        ] {
            assert_eq!(
                asks_for_less(&claim(request, "1Gi", &json!([])), wanted),
                less
            );
        }
    }

    #[test]
    fn what_the_claim_says_is_told() {
        let resizing = json!([{"type": "Resizing", "status": "True", "message": ""}]);
        let failed =
            json!([{"type": "ControllerResizeError", "status": "True", "message": "quota."}]);
        let over = json!([{"type": "Resizing", "status": "False"}]);
        assert_eq!(
            growth(&claim("3Gi", "3Gi", &json!(null)), "3Gi"),
            Growth::Done
        );
        for (conditions, text) in [
            (json!(null), "grows to 3Gi."),
            (resizing, "(Resizing)"),
            (over, "grows to 3Gi."),
        ] {
            let Growth::Growing(said) = growth(&claim("3Gi", "2Gi", &conditions), "3Gi") else {
                panic!("{text}")
            };
            assert!(said.contains(text), "{said}");
        }
        let Growth::Refused(said) = growth(&claim("3Gi", "2Gi", &failed), "3Gi") else {
            panic!()
        };
        assert!(said.contains("quota"), "{said}");
    }
}
