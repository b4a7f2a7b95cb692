//! A certificate for `localhost`, made afresh by OpenSSL.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use visavis::config::RelayTls;

use super::smtp::Tls;

/// TLS for a peer; `None` (said aloud) without OpenSSL. The files lie in `folder`.
pub fn localhost(folder: &Path, mode: RelayTls) -> Option<Tls> {
    let (ca_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key_file)
        .arg("-out")
        .arg(&ca_file)
        .output();
    match made {
        Ok(made) => assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        ),
        Err(_) => {
            super::missing("openssl");
            return None;
        }
    }
    let certificate = CertificateDer::from_pem_file(&ca_file).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&key_file).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key fits");
    Some(Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        ca_file,
        mode,
    })
}
