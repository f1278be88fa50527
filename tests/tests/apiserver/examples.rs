//! Every example of the repository is accepted as it stands, with no field that the API server would drop.

use fastx_tests::chart::root;
use fastx_tests::kube::{MANAGER, api_of, documents, install_definitions};
use fastx_tests::namespace::in_namespace;
use kube::api::{Patch, PatchParams};

#[tokio::test]
async fn every_example_is_accepted() {
    in_namespace("examples", async |client, namespace| {
        install_definitions(&client).await?;
        let mut seen = 0;
        for entry in std::fs::read_dir(root().join("manifests/examples"))? {
            let path = entry?.path();
            let yaml = std::fs::read_to_string(&path)?;
            for object in documents(&yaml)? {
                let name = object.metadata.name.clone().unwrap_or_default();
                let parameters = PatchParams::apply(MANAGER).dry_run().validation_strict();
                let answer = api_of(&client, &object, &namespace)
                    .await?
                    .patch(&name, &parameters, &Patch::Apply(&object))
                    .await;
                match answer {
                    Ok(_) => seen += 1,
                    // The demo may be up beside this test, and a node has each port once.
                    Err(error) if error.to_string().contains("already allocated") => seen += 1,
                    Err(error) => {
                        return Err(format!("{} {name}: {error}", path.display()).into());
                    }
                }
            }
        }
        assert!(seen > 5, "only {seen} examples");
        Ok(())
    })
    .await;
}
