//! The Kubernetes client: no hidden retries, and a time limit on everything but watches.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

/// How long an answer may take to begin.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// How long an open connection may be silent. Watches get a bookmark each minute and end by themselves within five.
const SILENCE_LIMIT: Duration = Duration::from_mins(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a service account nor a kubeconfig.
    #[error(
        "no access to a Kubernetes API server: set KUBECONFIG, or run in a Pod with a service account"
    )]
    Infer(#[source] Box<kube::config::InferConfigError>),
    /// The configuration cannot be used.
    #[error("the access to the Kubernetes API server cannot be used")]
    Build(#[source] Box<kube::Error>),
}

/// A client from the service account or the kubeconfig.
pub async fn connect() -> Result<Client, ClientError> {
    let mut config = Config::infer()
        .await
        .map_err(|e| ClientError::Infer(Box::new(e)))?;
    // The default retries for up to 15 times within one call; our own back-off is for each object.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(SILENCE_LIMIT);
    config.write_timeout = Some(Duration::from_secs(30));
    let builder = ClientBuilder::try_from(config).map_err(|e| ClientError::Build(Box::new(e)))?;
    Ok(builder.with_layer(&LimitLayer).build())
}

/// Limits the time until an answer begins; watches may be silent.
#[derive(Clone, Copy, Debug)]
struct LimitLayer;

impl<S> Layer<S> for LimitLayer {
    type Service = Limited<S>;
    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner }
    }
}

#[derive(Clone, Debug)]
struct Limited<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watch = request
            .uri()
            .query()
            .is_some_and(|q| q.split('&').any(|p| p == "watch=true"));
        let answer = self.inner.call(request);
        if watch {
            return Box::pin(answer);
        }
        Box::pin(async move {
            tokio::time::timeout(REQUEST_LIMIT, answer)
                .await
                .unwrap_or_else(|_| Err("the API server did not answer within 20 s".into()))
        })
    }
}
