//! A server behind TLS, as a proxy puts it in front of Canopy, with a certificate of an authority that the system does
//! not know.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Ran, Shop, rules, shop};

/// The port of a proxy that speaks TLS, and the certificate of its authority as PEM.
struct Proxy {
    port: u16,
    authority: String,
}

async fn proxy(upstream: String) -> Proxy {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((asker, _)) = listener.accept().await {
            // One that does not trust the certificate breaks off.
            if let Ok(mut asker) = acceptor.accept(asker).await {
                let mut server = TcpStream::connect(&upstream).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut asker, &mut server).await });
            }
        }
    });
    Proxy { port, authority: pem }
}

impl Shop {
    async fn list_at(&self, url: &str, env: &[(&str, &str)], more: &str) -> Ran {
        let mut all = vec![("CANOPY_TOKEN", self.house.owner.secret())];
        all.extend(env);
        let list = format!("list --account {} --url {url} {more}", self.house.main.id);
        rules(self.home.path(), &all, &list, &[]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_if_its_authority_is() {
    let shop = shop().await;
    let upstream = shop.house.server.base.trim_start_matches("http://").to_owned();
    let proxy = proxy(upstream).await;
    let url = format!("https://localhost:{}/graphql", proxy.port);
    shop.file("authority.pem", proxy.authority.as_bytes());
    shop.file("nothing.pem", b"no certificate");

    let refused = shop.list_at(&url, &[], "").await;
    let told = refused.failed(4);
    assert!(
        told.contains(&format!("The certificate of {url} is not trusted")),
        "{told}"
    );
    assert!(told.contains("--ca FILE"), "{told}");

    assert_eq!(
        shop.list_at(&url, &[], "--ca authority.pem").await.json(),
        json!([])
    );
    for variable in ["CANOPY_CA", "SSL_CERT_FILE"] {
        let told = shop.list_at(&url, &[(variable, "authority.pem")], "").await;
        assert_eq!(told.json(), json!([]), "{variable}");
    }
    let other_name = format!("https://127.0.0.1:{}/graphql", proxy.port);
    let refused = shop.list_at(&other_name, &[], "--ca authority.pem").await;
    assert!(refused.failed(4).contains("not valid for name"), "{refused:?}");

    let none = shop.list_at(&url, &[], "--ca none.pem").await;
    assert!(none.failed(1).contains("cannot read none.pem"), "{none:?}");
    let nothing = shop.list_at(&url, &[], "--ca nothing.pem").await;
    assert!(
        nothing.failed(1).contains("nothing.pem has no certificate"),
        "{nothing:?}"
    );
    let plain = format!("http://localhost:{}/graphql", proxy.port);
    let told = shop.list_at(&plain, &[], "").await;
    assert!(told.failed(5).contains("cannot reach"), "{told:?}");
}
