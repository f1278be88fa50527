//! The contract of the managers' store on the database of the cluster: races of eight writers included.

use std::sync::Arc;

use fastx_lifecycle::tls;
use fastx_manager::store::mongo::MongoStore;
use fastx_manager::store::{Pace, conformance};
use fastx_tests::Failure;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use fastx_tests::demo::{Demo, NAMESPACE, of_component};

/// Port of the MongoDB protocol.
const PORT: u16 = 27017;

/// The address with its password, as managers have it.
const LOGIN: &str = "demo-store-login";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_database_of_the_cluster_keeps_the_contract() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let uri = uri(&demo).await?;
    let port = forward(&demo).await?;
    // The names in the certificate mean nothing on this side of the forwarding.
    let uri = through(&uri, port).ok_or("the address of the store has another form")?;
    tls::install_provider();
    let run = rand::random::<u32>();
    let store = MongoStore::open(&uri, None, "fastx_test", Pace::new(u64::from(run))).await?;
    let store = Arc::new(store);
    for round in 0..3 {
        conformance::all(store.clone(), &format!("{run:08x}-{round}")).await;
    }
    Ok(())
}

async fn uri(demo: &Demo) -> Result<String, Failure> {
    let secrets: Api<Secret> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let data = secrets.get(LOGIN).await?.data.unwrap_or_default();
    let uri = data.get("uri").ok_or("the Secret has no address")?;
    Ok(String::from_utf8(uri.0.clone())?)
}

/// The same address at a port of this machine.
fn through(uri: &str, port: u16) -> Option<String> {
    let (login, rest) = uri.split_once('@')?;
    let (_host, options) = rest.split_once('/')?;
    Some(format!(
        "{login}@127.0.0.1:{port}/{options}&tlsInsecure=true"
    ))
}

/// Passes connections to a port of this machine on to the store's pod; it ends with the test.
async fn forward(demo: &Demo) -> Result<u16, Failure> {
    let name = demo.pod(&of_component("store")).await?.metadata.name;
    let name = name.ok_or("the store's pod has no name")?;
    let pods: Api<Pod> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pods, name) = (pods.clone(), name.clone());
            tokio::spawn(async move {
                // What a cut connection means is for the suite to find out.
                let _ended = pass(stream, &pods, &name).await;
            });
        }
    });
    Ok(port)
}

async fn pass(mut stream: TcpStream, pods: &Api<Pod>, name: &str) -> Result<(), Failure> {
    let mut forwarder = pods.portforward(name, &[PORT]).await?;
    let mut far = forwarder.take_stream(PORT).ok_or("no stream")?;
    copy_bidirectional(&mut stream, &mut far).await?;
    Ok(())
}
