//! The way to S3 that production takes: TLS, here by an authority of one's own, and signatures that are checked.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use chrono::{TimeDelta, Utc};
use simulator::{CallPlan, MediaPlan};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use vault::contract::s3_server::{ACCESS_KEY, SECRET_KEY, answer, service};

use crate::fleet::{Fleet, until};
use crate::s3::checked;
use crate::whole::assert_opens;

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = self.tcp.accept().await.unwrap();
            // Who does not trust the certificate hangs up.
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

fn make_certificate(folder: &Path) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = package.join("target/test-tools/venv/bin/python");
    assert!(python.exists(), "{} is missing: run make test, which installs it", python.display());
    let made = Command::new(python).arg(package.join("tests/it/certificate.py")).arg(folder).status().unwrap();
    assert!(made.success());
}

/// s3s-fs with a bucket `calls` and a certificate for localhost; what each put said of its payload's hash.
async fn serve(folder: &Path) -> (u16, Arc<Mutex<Vec<String>>>) {
    std::fs::create_dir(folder.join("calls")).unwrap();
    let service = service(folder);
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener =
        TlsListener { tcp: TcpListener::bind("127.0.0.1:0").await.unwrap(), tls: TlsAcceptor::from(Arc::new(config)) };
    let port = listener.tcp.local_addr().unwrap().port();
    let hashes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&hashes);
    let router = Router::new().fallback(move |request: Request| {
        if request.method() == axum::http::Method::PUT {
            noted.lock().unwrap().push(request.headers()["x-amz-content-sha256"].to_str().unwrap().to_owned());
        }
        answer(service.clone(), request)
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    (port, hashes)
}

#[tokio::test(flavor = "multi_thread")]
async fn store_behind_tls_is_trusted_by_its_authority_and_signs_no_payload() {
    let mut fleet = Fleet::new().await;
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path());
    let (port, hashes) = serve(folder.path()).await;
    let identity = fleet.folder.path().join("identity.txt").display().to_string();
    assert!(fleet.run(&["keys", "generate", "--output", &identity]).status.success());
    fleet.settings.retain(|(name, _)| *name != "RECORDINGS_BUCKET");
    fleet.settings.extend([
        ("RECORDINGS_BUCKET", "s3://calls/vault".to_owned()),
        ("AWS_ENDPOINT_URL", format!("https://localhost:{port}")),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("ENCRYPTION_IDENTITY_FILE", identity),
    ]);
    let (is_ok, detail) = checked(&fleet);
    assert!(!is_ok && detail.contains("certificate"), "{detail}");
    fleet.settings.push(("SSL_CERT_FILE", folder.path().join("ca.pem").display().to_string()));
    let (is_ok, detail) = checked(&fleet);
    assert!(is_ok, "{detail}");
    assert_eq!(*hashes.lock().unwrap(), ["UNSIGNED-PAYLOAD"]);
    for (calculation, has_trailer) in [("when_supported", true), ("when_required", false)] {
        fleet.set("AWS_REQUEST_CHECKSUM_CALCULATION", calculation);
        hashes.lock().unwrap().clear();
        let recording = archived(&fleet, !has_trailer).await;
        assert_opens(&fleet, &recording);
        let seen: BTreeSet<String> = hashes.lock().unwrap().iter().cloned().collect();
        assert_eq!(seen.contains("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), has_trailer, "{calculation}: {seen:?}");
        assert!(seen.iter().all(|hash| hash.contains("UNSIGNED-PAYLOAD")), "{calculation}: {seen:?}");
    }
}

/// The SID of a recording that is longer than what is sent from memory.
async fn archived(fleet: &Fleet, is_second: bool) -> String {
    let _serving = fleet.serve(true).await;
    #[expect(clippy::disallowed_methods, reason = "a recent call, as seen by processes with the system's clock")]
    let started = Utc::now() - TimeDelta::hours(1);
    let media = MediaPlan::Synthetic { bytes: 2_000_000 };
    let plan = CallPlan { media, ..CallPlan::nth(u64::from(is_second), started) };
    let sid = fleet.twilio.place_call(plan).await.recording_sid.to_string();
    let heard = 1 + usize::from(is_second);
    until("it is heard of", async || fleet.json(&["recordings", "list"]).len() == heard).await;
    until("it is archived", async || !fleet.show(&sid)["media"].is_null()).await;
    sid
}
