//! Where the database is and how its certificate is looked at: the URL as sea-orm's driver reads it, for the other one.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-ssl.html>, table "SSL Mode Descriptions".

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PipelineError;

/// An address, and how to speak TLS there if at all.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Option<MakeRustlsConnect>,
}

/// How far a server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Not at all: it is encrypted, and that is all.
    Anyone,
    /// It is signed by one of the authorities.
    Authority,
    /// And it is for the host that was asked for.
    Host,
}

/// What the parameters of a URL say about TLS.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    mode: Option<String>,
    authorities: Option<String>,
}

impl Address {
    /// Reads a `postgres:` URL.
    pub(super) fn read(url: &str) -> Result<Self, PipelineError> {
        let (plain, asked) = without_tls(url)?;
        let mut config: Config = plain.parse().map_err(PipelineError::Url)?;
        let given = asked.authorities.is_some();
        let (mode, trust) = match asked.mode.as_deref() {
            Some("disable") => (SslMode::Disable, None),
            None | Some("allow" | "prefer") => (SslMode::Prefer, Some(Trust::Anyone)),
            Some("require") if !given => (SslMode::Require, Some(Trust::Anyone)),
            Some("require" | "verify-ca") => (SslMode::Require, Some(Trust::Authority)),
            Some("verify-full") => (SslMode::Require, Some(Trust::Host)),
            Some(_) => return Err(PipelineError::Unknown("sslmode".to_owned())),
        };
        config.ssl_mode(mode);
        let tls = trust.map(|trust| connector(trust, asked.authorities.as_deref()));
        Ok(Self {
            config,
            tls: tls.transpose()?,
        })
    }
}

/// Whether a `postgres:` URL leads to a server on this machine, as far as it tells: by a socket or a loopback address.
pub fn is_near(url: &str) -> bool {
    let plain = without_tls(url).map(|(plain, _)| plain);
    let config = plain.ok().and_then(|plain| plain.parse::<Config>().ok());
    config.is_some_and(|config| {
        config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) if name == "localhost" => true,
            Host::Tcp(name) => name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
            Host::Unix(_) => true,
        })
    })
}

/// The URL without what it says about TLS and about the other driver alone.
fn without_tls(url: &str) -> Result<(String, Asked), PipelineError> {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let (mut kept, mut asked) = (Vec::new(), Asked::default());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "sslmode" | "ssl-mode" => asked.mode = Some(value.to_owned()),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => asked.authorities = Some(decoded(value)),
            "statement-cache-capacity" => {}
            // A certificate of our own is for the other driver alone.
            "sslcert" | "ssl-cert" | "sslkey" | "ssl-key" => {
                return Err(PipelineError::Unknown(name.to_owned()));
            }
            _ => kept.push(parameter),
        }
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok((format!("{place}{mark}{}", kept.join("&")), asked))
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value)
        .decode_utf8_lossy()
        .into_owned()
}

fn connector(trust: Trust, authorities: Option<&str>) -> Result<MakeRustlsConnect, PipelineError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file).map_err(PipelineError::authorities)?;
            for certificate in certificates {
                let certificate = certificate.map_err(PipelineError::authorities)?;
                roots.add(certificate).map_err(PipelineError::authorities)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.build().map_err(PipelineError::authorities)?;
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(PipelineError::authorities)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            trust,
            verifier,
            provider,
        }))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Looks at a certificate as far as the URL asks.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.trust == Trust::Anyone {
            return Ok(ServerCertVerified::assertion());
        }
        let verified =
            self.verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.trust == Trust::Authority => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_about_tls_is_taken_out_of_it() {
        let url = "postgres://canopy:s%3Fcret@db/canopy?sslmode=verify-full&application_name=c&sslrootcert=%2Fca.pem";
        let (plain, asked) = without_tls(url).unwrap();
        assert_eq!(plain, "postgres://canopy:s%3Fcret@db/canopy?application_name=c");
        assert_eq!(asked.mode.as_deref(), Some("verify-full"));
        assert_eq!(asked.authorities.as_deref(), Some("/ca.pem"));
        assert_eq!(
            without_tls("postgres://db/canopy").unwrap(),
            ("postgres://db/canopy".to_owned(), Asked::default())
        );
        assert!(without_tls("postgres://db/canopy?sslcert=own.pem").is_err());
    }

    #[test]
    fn a_server_is_near_by_a_socket_or_a_loopback_address() {
        for (url, near) in [
            ("postgres://canopy@localhost:5433/canopy?sslmode=disable", true),
            ("postgres://127.0.0.1/canopy", true),
            ("postgresql://[::1]/canopy", true),
            ("postgres:///canopy?host=/var/run/postgresql", true),
            ("postgres://db/canopy", false),
            ("postgres://10.0.0.2/canopy", false),
            ("postgres://localhost,db/canopy", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_near(url), near, "{url}");
        }
    }

    #[test]
    fn encryption_is_never_less_than_what_was_asked_for() {
        let mode = |query: &str| {
            let address = Address::read(&format!("postgres://db/canopy{query}")).unwrap();
            (address.config.get_ssl_mode(), address.tls.is_some())
        };
        assert_eq!(mode(""), (SslMode::Prefer, true));
        assert_eq!(mode("?sslmode=disable"), (SslMode::Disable, false));
        for strict in ["require", "verify-ca", "verify-full"] {
            assert_eq!(mode(&format!("?sslmode={strict}")), (SslMode::Require, true));
        }
        assert!(Address::read("postgres://db/canopy?sslmode=some").is_err());
        assert!(Address::read("postgres://db/canopy?sslmode=verify-ca&sslrootcert=/missing").is_err());
    }
}
