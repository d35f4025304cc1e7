//! HTTPS for the clients that this process is: the same rustls and ring that the database driver uses, and the
//! system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name.

use std::{error::Error, io};

use reqwest::{Certificate, ClientBuilder};

/// A builder of HTTP clients that speak TLS.
pub fn client_builder() -> ClientBuilder {
    // Whoever was first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// Trusts the authorities with these certificates, as PEM, too. None if there is no certificate in them.
pub(crate) fn trusting(builder: ClientBuilder, pem: &[u8]) -> Option<ClientBuilder> {
    let certificates = Certificate::from_pem_bundle(pem).ok()?;
    (!certificates.is_empty()).then(|| builder.tls_certs_merge(certificates))
}

/// Why a certificate was not accepted, if that is why the request failed.
pub(crate) fn distrust(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(why.to_string());
        }
        // An error of I/O hides the one that it holds: its source is the source of that.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}
