//! Servers with TLS. A test makes their certificates.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, pki_types::CertificateDer};

/// A certificate authority that a client trusts only if it is configured to.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The file with its certificate, in PEM.
    pub(crate) file: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params
            .distinguished_name
            .push(DnType::CommonName, "Authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        let file = folder.join("authority.pem");
        fs::write(&file, certificate.pem()).expect("a file");
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// A server that forwards to `target`, and has a certificate of this authority for
    /// `name`.
    pub(crate) async fn server(&self, name: &str, target: SocketAddr) -> SocketAddr {
        self.with(params(name), target).await
    }

    /// As `server`, but with a certificate that has expired.
    pub(crate) async fn expired(&self, name: &str, target: SocketAddr) -> SocketAddr {
        let mut params = params(name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 2);
        self.with(params, target).await
    }

    async fn with(&self, params: CertificateParams, target: SocketAddr) -> SocketAddr {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        serve(certificate.der().clone(), &key, target).await
    }
}

/// A server that forwards to `target`, and has a self-signed certificate for `name`.
pub(crate) async fn self_signed(name: &str, target: SocketAddr) -> SocketAddr {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(name).self_signed(&key).expect("a certificate");
    serve(certificate.der().clone(), &key, target).await
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a name")
}

/// Accepts connections with TLS, and forwards the decrypted bytes to `target`.
async fn serve(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    target: SocketAddr,
) -> SocketAddr {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut plain = TcpStream::connect(target).await?;
                let mut tls = acceptor.accept(stream).await?;
                copy_bidirectional(&mut tls, &mut plain).await
            });
        }
    });
    address
}
