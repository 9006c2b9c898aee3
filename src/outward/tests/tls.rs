//! Receivers with certificates of every kind.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::{
    certificates::{Authority, Certified},
    *,
};

pub fn acceptor(of: &Certified) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(of.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(of.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// Answers over TLS to whoever believes its certificate.
pub async fn serving(of: &Certified, answer: &'static str) -> Server {
    let acceptor = acceptor(of);
    Server::new(move |stream, heard| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                exchange(&mut stream, &heard, answer.as_bytes()).await;
            }
        }
    })
    .await
}

/// A file of certificates.
pub fn file(folder: &TempDir, pem: &str) -> PathBuf {
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, pem).unwrap();
    path
}

fn https(server: &Server, host: &str, believed: PathBuf) -> Call {
    let url = format!("https://{host}:{}/hunter2?hunter2", server.address.port());
    Call { authorities: Some(believed), ..post(url) }
}

const FINE: &str = "HTTP/1.1 200 x\r\n\r\n";

#[tokio::test]
async fn who_is_signed_by_who_is_believed_is_sent_what_there_is() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let server = serving(&authority.certify(&["localhost", "127.0.0.1"]), FINE).await;
    let believed = file(&folder, &authority.pem());
    for host in ["localhost", "127.0.0.1"] {
        let call = https(&server, host, believed.clone());
        assert_eq!(client(&[]).call(call, Timestamp::UNIX_EPOCH).await.unwrap().status, 200, "{host}");
    }
    assert_eq!(server.heard().len(), 2);
}

#[tokio::test]
async fn one_that_signed_itself_is_believed_where_it_is_the_file() {
    let folder = TempDir::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let certified = Certified { certificate: own.pem(), key: key.serialize_pem() };
    let server = serving(&certified, FINE).await;
    call(https(&server, "localhost", file(&folder, &own.pem()))).await.unwrap();

    let stranger = https(&server, "localhost", file(&folder, &Authority::new().pem()));
    let told = failed(&client(&[]), stranger).await;
    assert_eq!(
        told.reason,
        "its certificate is not signed by anybody who is believed here: name a file with the certificate of who signed \
         it with ca-file"
    );
    assert!(told.again && server.heard().len() == 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_in_words() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let believed = file(&folder, &authority.pem());
    for (certified, told) in [
        (
            authority.certify(&["hunter2.example"]),
            "its certificate is not for \"localhost\": write the host as the certificate does, or have one made that has \
             \"localhost\" among its subjectAltName",
        ),
        (
            authority.certify_until(&["localhost"], 2001),
            "its certificate has expired: renew it, or mend this machine's clock",
        ),
    ] {
        let server = serving(&certified, FINE).await;
        let failed = failed(&client(&[]), https(&server, "localhost", believed.clone())).await;
        assert_eq!(failed.reason, told);
        assert_eq!(server.heard(), Vec::<String>::new());
    }
}

/// `openssl req -x509` makes these unless it is told otherwise.
#[tokio::test]
async fn one_that_is_its_own_authority_is_believed_where_it_is_named_itself_and_else_told_with_the_mend() {
    let folder = TempDir::new().unwrap();
    let own = |key: &KeyPair| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(key).unwrap().pem()
    };
    let key = KeyPair::generate().unwrap();
    let (named, another) = (own(&key), own(&key));
    assert_ne!(named, another, "they differ by their numbers");
    let server = serving(&Certified { certificate: named.clone(), key: key.serialize_pem() }, FINE).await;
    let asked = https(&server, "localhost", file(&folder, &named));
    assert_eq!(call(asked).await.unwrap().status, 200);
    let failed = failed(&client(&[]), https(&server, "localhost", file(&folder, &another))).await;
    assert_eq!(
        failed.reason,
        "its certificate is one of an authority: have one made for a server (basicConstraints=CA:FALSE)"
    );
}

#[tokio::test]
async fn who_speaks_no_tls_and_a_file_that_holds_nothing_are_told_with_the_mend() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let believed = file(&folder, &authority.pem());
    let clear = Server::new(|mut stream, _| async move {
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 hunter2\r\n\r\n").await.unwrap();
    })
    .await;
    let told = failed(&client(&[]), https(&clear, "localhost", believed)).await.reason;
    assert_eq!(
        told,
        "what listens there does not speak TLS: write http:// if that is meant, or another port"
    );
    let named = client(&[]).naming("OTHER_CA");
    let told = failed(&named, https(&clear, "localhost", "/nowhere.pem".into())).await.reason;
    assert!(
        told.starts_with("/nowhere.pem: it cannot be read") && told.ends_with(": check OTHER_CA"),
        "{told}"
    );
    let empty = file(&folder, "hunter2");
    let told = failed(&named, https(&clear, "localhost", empty)).await.reason;
    assert!(told.ends_with("ca.pem: it holds no certificate in PEM: check OTHER_CA"), "{told}");

    // The other way round.
    let server = serving(&authority.certify(&["localhost"]), FINE).await;
    let told = reason(server.url("/hunter2")).await;
    assert!(told.contains("look at its scheme and"), "{told}");
}
