//! Which image of the node software runs on a machine of Kubernetes. Pure.
//!
//! A Pod of kind `host` is replaced for a new image, so what is known of images outlives it in the node's status: the
//! one that was last ready, and the one that was not. That one is put back, and goes nowhere else.

use std::time::Duration;

use fastx_crds::ComputeNodeStatus;
use fastx_crds::conditions::{Finding, Kind, Reason, Status};
use jiff::Timestamp;
use serde_json::Value;

use super::rollout::{FAILED, TRIAL, WHY};
use crate::pods::PodView;

/// Containers of the one image, the first to start first.
const CONTAINERS: [&str; 3] = ["folders", "node", "names"];

/// Longest reason that is kept, bytes.
const MAX_WHY: usize = 1024;

/// What is known of images on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Images {
    /// The one that was last ready.
    pub(in super::super) good: Option<String>,
    /// The one that was not ready in time.
    pub(in super::super) failed: Option<String>,
    /// Why, if it could not be pulled.
    pub(in super::super) why: Option<String>,
}

impl Images {
    /// As a status has them.
    pub(in super::super) fn of(status: Option<&ComputeNodeStatus>) -> Self {
        status.map_or_else(Self::default, |s| Self {
            good: s.image.clone(),
            failed: s.failed_image.clone(),
            why: s.failed_because.clone(),
        })
    }

    /// What is known now. `proved` is the image that the managers run; also gives when time alone will say more.
    pub(in super::super) fn advance(
        self,
        proved: Option<&str>,
        pod: Option<&PodView>,
        now: Timestamp,
    ) -> (Self, Option<Duration>) {
        let mut images = self;
        // Another one is asked for: whoever asks for the failed one again after that means it.
        if proved.is_some_and(|p| images.failed.as_deref().is_some_and(|f| f != p)) {
            images.forgive();
        }
        let Some(pod) = pod.filter(|p| !p.deleting()) else {
            return (images, None);
        };
        let Some(present) = pod.image("node") else {
            return (images, None);
        };
        if pod.ready() {
            if images.failed.as_deref() == Some(present) {
                images.forgive();
            }
            images.good = Some(present.to_owned());
            return (images, None);
        }
        let is_new = images.good.as_deref().is_some_and(|good| good != present);
        if !is_new || images.failed.as_deref() == Some(present) {
            return (images, None);
        }
        if let Some(why) = CONTAINERS.iter().find_map(|c| pod.pull_failure(c)) {
            images.failed = Some(present.to_owned());
            images.why = Some(shortened(why));
            return (images, None);
        }
        let left = left(pod, now);
        if left.is_zero() {
            images.failed = Some(present.to_owned());
            images.why = None;
            return (images, None);
        }
        (images, Some(left))
    }

    fn forgive(&mut self) {
        self.failed = None;
        self.why = None;
    }

    /// Whether that is the image to go back to.
    pub(in super::super) fn go_back_to(&self, image: &str) -> bool {
        self.failed.is_some() && self.good.as_deref() == Some(image)
    }

    /// The last good image, where `target` is wanted and was given up.
    pub(in super::super) fn put_back(&self, target: &str) -> Option<&str> {
        let failed = self.failed.as_deref().filter(|f| *f == target)?;
        self.good.as_deref().filter(|good| *good != failed)
    }

    /// What is said while an image is put back.
    pub(in super::super) fn finding(&self, target: &str) -> Option<Finding> {
        let good = self.put_back(target)?;
        let message = match &self.why {
            Some(why) => {
                format!("Image `{target}` cannot be pulled, so `{good}` is put back: {why}")
            }
            None => format!(
                "Image `{target}` was not ready here in time, so `{good}` is put back. Sessions go on. \
                 To try it again, ask for another image in between."
            ),
        };
        let pending = Kind::UpdatePending;
        Some(Finding::new(
            pending,
            Status::True,
            Reason::RolledBack,
            message,
        ))
    }

    /// Marks the Pod, so that the others do not take the failed image.
    pub(in super::super) fn mark(&self, body: &mut Value) {
        if let Some(failed) = &self.failed {
            body["metadata"]["annotations"][FAILED] = failed.as_str().into();
        }
        if let Some(why) = &self.why {
            body["metadata"]["annotations"][WHY] = why.as_str().into();
        }
    }
}

/// What is left of the time that a new image has.
fn left(pod: &PodView, now: Timestamp) -> Duration {
    let made = pod.metadata.creation_timestamp.as_ref();
    let made = made.map_or(now, |t| t.0);
    let age = Duration::try_from(now.duration_since(made)).unwrap_or_default();
    TRIAL.saturating_sub(age)
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_WHY {
        let mut end = MAX_WHY;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(NOW + second).unwrap()
    }

    fn pod(image: &str, status: &str) -> PodView {
        serde_yaml_ng::from_str(&format!(
            "metadata: {{name: w, creationTimestamp: '{}'}}\nspec: {{initContainers: [{{name: folders, image: {image}}}], containers: [{{name: node, image: {image}}}]}}\nstatus: {status}",
            at(0)
        ))
        .unwrap()
    }

    const UP: &str = "{conditions: [{type: Ready, status: 'True'}]}";
    const STARTING: &str = "{conditions: [{type: PodScheduled, status: 'True'}]}";
    const NO_IMAGE: &str = "{initContainerStatuses: [{name: folders, state: {waiting: {reason: ErrImagePull, message: manifest unknown}}}]}";

    fn known(good: &str, failed: Option<&str>) -> Images {
        Images {
            good: Some(good.to_owned()),
            failed: failed.map(str::to_owned),
            why: None,
        }
    }

    #[test]
    fn an_image_is_good_once_it_is_ready_and_given_up_when_it_is_not_in_time() {
        let new = Some("new");
        let first = Images::default()
            .advance(new, Some(&pod("old", UP)), at(1))
            .0;
        assert_eq!(first, known("old", None));
        let (same, again) = first
            .clone()
            .advance(new, Some(&pod("new", STARTING)), at(30));
        assert_eq!(
            (same, again),
            (first.clone(), Some(Duration::from_secs(90)))
        );
        let (late, _) = first
            .clone()
            .advance(new, Some(&pod("new", STARTING)), at(121));
        assert_eq!(late, known("old", new));
        assert_eq!(late.put_back("new"), Some("old"));
        assert_eq!(late.put_back("newer"), None);
        let ready = first.advance(new, Some(&pod("new", UP)), at(60)).0;
        assert_eq!(ready, known("new", None));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_given_up_at_once_with_the_words_of_the_server() {
        let before = known("old", None);
        let (after, again) = before.advance(Some("new"), Some(&pod("new", NO_IMAGE)), at(1));
        assert_eq!((after.failed.as_deref(), again), (Some("new"), None));
        let said = after.finding("new").unwrap();
        assert_eq!(said.reason, Reason::RolledBack);
        for word in [
            "`new` cannot be pulled, so `old` is put back",
            "manifest unknown",
        ] {
            assert!(said.message.contains(word), "{}", said.message);
        }
    }

    #[test]
    fn a_failed_image_is_tried_again_only_after_another_one() {
        let failed = known("old", Some("new"));
        let back = pod("old", UP);
        // While the managers are replaced nobody knows what they run.
        for proved in [Some("new"), None] {
            assert_eq!(
                failed.clone().advance(proved, Some(&back), at(300)).0,
                failed
            );
        }
        let other = failed.advance(Some("newer"), Some(&back), at(300)).0;
        assert_eq!(other, known("old", None));
    }

    #[test]
    fn without_a_good_one_there_is_nothing_to_put_back() {
        let (none, _) =
            Images::default().advance(Some("new"), Some(&pod("new", STARTING)), at(999));
        assert_eq!(none, Images::default());
        assert!(none.finding("new").is_none());
        // What was ready once and is not now is no new image.
        let (same, _) = known("old", None).advance(None, Some(&pod("old", STARTING)), at(999));
        assert_eq!(same, known("old", None));
    }
}
