//! The store's contract against a real database: `FASTX_TEST_STORE_URI`, and `FASTX_TEST_STORE_CA` for its authority.
//! Without the variable the suite runs against the memory alone, in the unit tests.

use std::sync::Arc;

use fastx_lifecycle::env::{Process, Source as _};
use fastx_manager::store::mongo::MongoStore;
use fastx_manager::store::{Pace, conformance};

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(fastx_manager::store::sqlite::SqliteStore::new(
        &dir.path().join("fastx.db"),
    ));
    for round in 0..3 {
        conformance::all(store.clone(), &format!("run-{round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_real_database_keeps_the_contract() {
    let Some(uri) = Process.get("FASTX_TEST_STORE_URI") else {
        eprintln!("not run: set FASTX_TEST_STORE_URI to the address of a FerretDB 2 or MongoDB");
        return;
    };
    fastx_lifecycle::tls::install_provider();
    let ca = Process.get("FASTX_TEST_STORE_CA").map(Into::into);
    let run = std::process::id();
    let pace = Pace::new(u64::from(run));
    let store = MongoStore::open(&uri, ca, "fastx_test", pace)
        .await
        .unwrap();
    let store = Arc::new(store);
    for round in 0..3 {
        conformance::all(store.clone(), &format!("{run}-{round}")).await;
    }
}
