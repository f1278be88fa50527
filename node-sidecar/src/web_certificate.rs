//! The certificate of the web address: it follows its files, and the first one may come while the node runs.

use std::path::Path;
use std::sync::Arc;

use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::telemetry;
use fastx_lifecycle::tls::{self, CertFiles, ReloadingCert};
use fastx_lifecycle::watch::Watched;

use crate::app::StartError;
use crate::hints::Hints;
use crate::keys::Keys;
use crate::peer::Certificates;

/// TLS of the web address, for browsers and for other members.
pub(crate) fn server_tls(
    dir: &Path,
    keys: &Keys,
    hints: &Hints,
    shutdown: &Shutdown,
) -> Result<rustls::ServerConfig, StartError> {
    let files = CertFiles::in_dir(dir);
    let certificates = Arc::new(Certificates::new(keys)?);
    if files.cert.exists() {
        let cert = ReloadingCert::load(files)?;
        cert.spawn_watch(shutdown.clone());
        certificates.show(cert);
    } else {
        tracing::info!(dir = %dir.display(), "no certificate for the web address: browsers see a self-signed one");
        let (certificates, hints) = (certificates.clone(), hints.clone());
        tokio::spawn(first_certificate(
            files,
            certificates,
            hints,
            shutdown.clone(),
        ));
    }
    Ok(tls::server_config(certificates, None, &["h2", "http/1.1"])?)
}

/// Waits for the first certificate of the web address; from then on it follows its files.
async fn first_certificate(
    files: CertFiles,
    certificates: Arc<Certificates>,
    hints: Hints,
    shutdown: Shutdown,
) {
    let mut watched = Watched::new(vec![files.cert.clone(), files.key.clone()]);
    while watched.changed(&shutdown).await.is_some() {
        match ReloadingCert::load(files.clone()) {
            Ok(cert) => {
                cert.spawn_watch(shutdown.clone());
                certificates.show(cert);
                hints.certificate_is_there();
                tracing::info!(file = %files.cert.display(), "browsers see this certificate from now on");
                return;
            }
            Err(error) => tracing::warn!(
                error = %telemetry::chain(&error),
                "the certificate for the web address cannot be used"
            ),
        }
    }
}
