//! HTTPS for the clients that this process is: the same rustls and ring that the database driver uses, and the
//! system's certificates.

/// A builder of HTTP clients that speak TLS.
pub fn client_builder() -> reqwest::ClientBuilder {
    // Whoever was first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
