//! What we keep of Pods, and what is wrong with one.

use fastx_crds::conditions::Reason;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::kubelet;

/// A Pod without what we never look at.
#[derive(Resource, Clone, Debug, Default, Deserialize)]
#[resource(inherit = "Pod")]
#[serde(rename_all = "camelCase", default)]
pub struct PodView {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Images.
    pub spec: PodSpecView,
    /// State.
    pub status: PodStatusView,
}

/// Images of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpecView {
    /// Containers that start first.
    pub init_containers: Vec<ContainerView>,
    /// Containers.
    pub containers: Vec<ContainerView>,
}

/// A container as it should be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
}

/// State of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatusView {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// Why it failed.
    pub reason: String,
    /// Address.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// `PodScheduled`, `Ready` and others.
    pub conditions: Vec<PodConditionView>,
    /// State of the containers that start first.
    pub init_container_statuses: Vec<ContainerStatusView>,
    /// State of the containers.
    pub container_statuses: Vec<ContainerStatusView>,
}

/// A condition of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodConditionView {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// Why.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// State of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatusView {
    /// Its name.
    pub name: String,
    /// Whether its readiness probe succeeds.
    pub ready: bool,
    /// How often it was started anew.
    pub restart_count: i32,
    /// What it does.
    pub state: ContainerStateView,
}

/// What a container does; one of them is set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStateView {
    /// It waits.
    pub waiting: Option<WaitingView>,
    /// It runs.
    pub running: Option<RunningView>,
}

/// Why a container waits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WaitingView {
    /// One word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Since when a container runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunningView {
    /// Since then.
    pub started_at: Option<Timestamp>,
}

/// The image that is proved to run: the wanted one once a ready Pod has it, until then the one that ready Pods have.
/// None when no Pod is ready.
pub fn proved_image<'a>(
    pods: impl Iterator<Item = &'a PodView>,
    container: &str,
    wanted: &str,
) -> Option<String> {
    let mut images: Vec<&str> = pods
        .filter(|p| p.ready())
        .filter_map(|p| p.image(container))
        .collect();
    images.sort_unstable();
    match images.iter().find(|image| **image == wanted) {
        Some(image) => Some((*image).to_owned()),
        None => images.first().map(|image| (*image).to_owned()),
    }
}

/// What keeps a Pod from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl PodView {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata
            .annotations
            .as_ref()?
            .get(name)
            .map(String::as_str)
    }

    /// Whether it is being deleted.
    pub fn deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether it ended and will never run again.
    pub fn finished(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Whether Kubernetes calls it ready.
    pub fn ready(&self) -> bool {
        !self.deleting() && self.condition("Ready").is_some_and(|c| c.status == "True")
    }

    /// A condition.
    pub fn condition(&self, kind: &str) -> Option<&PodConditionView> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }

    /// State of a container of either list.
    pub fn container(&self, name: &str) -> Option<&ContainerStatusView> {
        let status = &self.status;
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .find(|c| c.name == name)
    }

    /// Image that a container should have.
    pub fn image(&self, name: &str) -> Option<&str> {
        let spec = &self.spec;
        spec.init_containers
            .iter()
            .chain(&spec.containers)
            .find(|c| c.name == name)
            .map(|c| c.image.as_str())
    }

    /// Why the image of a container cannot be pulled, in the server's words, if its status says that it cannot.
    pub fn pull_failure(&self, container: &str) -> Option<String> {
        let status = self.container(container)?;
        let found = waiting(self, status).filter(|t| t.reason == Reason::ImagePullFailed)?;
        let said = status.state.waiting.as_ref().map(|w| steady(&w.message));
        let said = said.filter(|s| !s.is_empty());
        Some(said.map_or(found.message, kubelet::words))
    }

    /// What keeps it from working; none when nothing is known to.
    pub fn trouble(&self) -> Option<Trouble> {
        if let Some(scheduled) = self.condition("PodScheduled")
            && scheduled.status == "False"
        {
            return Some(unscheduled(self.name(), scheduled));
        }
        if self.finished() {
            let why = if self.status.reason.is_empty() {
                &self.status.phase
            } else {
                &self.status.reason
            };
            return Some(Trouble {
                reason: Reason::Starting,
                message: format!("Pod `{}` ended ({why}) and is made anew.", self.name()),
            });
        }
        let status = &self.status;
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .find_map(|c| waiting(self, c))
    }
}

fn unscheduled(pod: &str, scheduled: &PodConditionView) -> Trouble {
    let claim = scheduled.message.contains("PersistentVolumeClaim")
        || scheduled.message.contains("persistentvolumeclaim");
    Trouble {
        reason: if claim {
            Reason::ClaimUnbound
        } else {
            Reason::Unschedulable
        },
        message: format!(
            "No Kubernetes node takes Pod `{pod}`: {}",
            scheduled.message
        ),
    }
}

fn waiting(pod: &PodView, container: &ContainerStatusView) -> Option<Trouble> {
    let waiting = container.state.waiting.as_ref()?;
    let reason = match waiting.reason.as_str() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "RegistryUnavailable"
        | "ImageInspectError" => Reason::ImagePullFailed,
        "CrashLoopBackOff" => Reason::CrashLooping,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Reason::ContainerConfigError
        }
        _ => return None,
    };
    let image = pod.image(&container.name).unwrap_or_default();
    let detail = if waiting.message.is_empty() {
        String::new()
    } else {
        // The waiting time in the kubelet's text changes each time; without it the status stays at rest.
        format!(": {}", steady(&waiting.message))
    };
    let what = match reason {
        Reason::ImagePullFailed => format!("image `{image}` cannot be pulled ({})", waiting.reason),
        Reason::CrashLooping => "it ends again and again; see its log".to_owned(),
        _ => format!("it cannot be made ({})", waiting.reason),
    };
    let detail = if reason == Reason::CrashLooping {
        String::new()
    } else {
        detail
    };
    Some(Trouble {
        reason,
        message: format!(
            "Container `{}` of Pod `{}`: {what}{detail}",
            container.name,
            pod.name()
        ),
    })
}

fn steady(message: &str) -> &str {
    message.strip_prefix("Back-off ").map_or(message, |rest| {
        // "Back-off pulling image "x": ErrImagePull: …": the part before the first error is repeated above.
        rest.split_once(": ").map_or(rest, |(_, error)| error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(status: &str) -> PodView {
        serde_yaml_ng::from_str(&format!(
            "metadata: {{name: p}}\nspec: {{containers: [{{name: c, image: i}}]}}\nstatus: {status}"
        ))
        .unwrap()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (status, reason, text) in [
            (
                "{conditions: [{type: PodScheduled, status: 'False', message: '0/1 nodes are available'}]}",
                Reason::Unschedulable,
                "No Kubernetes node takes Pod `p`: 0/1",
            ),
            (
                "{conditions: [{type: PodScheduled, status: 'False', message: 'pod has unbound immediate PersistentVolumeClaims'}]}",
                Reason::ClaimUnbound,
                "unbound",
            ),
            (
                "{containerStatuses: [{name: c, state: {waiting: {reason: ErrImagePull, message: 'not found'}}}]}",
                Reason::ImagePullFailed,
                "image `i` cannot be pulled (ErrImagePull): not found",
            ),
            (
                "{initContainerStatuses: [{name: c, state: {waiting: {reason: CrashLoopBackOff, message: 'back-off 10s'}}}]}",
                Reason::CrashLooping,
                "see its log",
            ),
            (
                "{containerStatuses: [{name: c, state: {waiting: {reason: CreateContainerConfigError, message: 'secret \"x\" not found'}}}]}",
                Reason::ContainerConfigError,
                "secret \"x\" not found",
            ),
            (
                "{phase: Failed, reason: Evicted}",
                Reason::Starting,
                "Evicted",
            ),
        ] {
            let trouble = pod(status).trouble().unwrap();
            assert_eq!(trouble.reason, reason);
            assert!(trouble.message.contains(text), "{}", trouble.message);
        }
    }

    #[test]
    fn an_image_is_proved_by_a_ready_pod() {
        let pod = |image: &str, ready: bool| -> PodView {
            serde_yaml_ng::from_str(&format!(
                "spec: {{containers: [{{name: c, image: '{image}'}}]}}\nstatus: {{conditions: [{{type: Ready, status: '{}'}}]}}",
                if ready { "True" } else { "False" }
            ))
            .unwrap()
        };
        for (pods, proved) in [
            (vec![], None),
            (vec![pod("new", false)], None),
            (vec![pod("old", true), pod("new", false)], Some("old")),
            (vec![pod("old", true), pod("new", true)], Some("new")),
        ] {
            assert_eq!(proved_image(pods.iter(), "c", "new").as_deref(), proved);
        }
    }

    #[test]
    fn starting_and_running_are_no_trouble() {
        for status in [
            "{phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ContainerCreating}}}]}",
            "{phase: Running, conditions: [{type: Ready, status: 'True'}]}",
        ] {
            assert_eq!(pod(status).trouble(), None);
        }
        assert!(pod("{conditions: [{type: Ready, status: 'True'}]}").ready());
    }
}
