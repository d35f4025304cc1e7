//! An issuer of tokens, as an identity provider is: keys of its own, tokens signed with them, and a server for the
//! public ones that can be made to misbehave.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::operations::base64url;

/// A key that signs.
pub(super) enum Signing {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key with its id.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) signing: Signing,
}

impl Key {
    pub(super) fn ec(id: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap();
        Self::new(id, Signing::Ec(pair))
    }

    pub(super) fn ed(id: &str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::new(
            id,
            Signing::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap()),
        )
    }

    /// Made by openssl: ring uses RSA keys and makes none.
    pub(super) fn rsa(id: &str) -> Self {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .expect("openssl makes a key");
        let text = String::from_utf8(made.stdout).expect("PEM is text");
        let inner: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = STANDARD.decode(inner).expect("PEM holds base64");
        Self::new(id, Signing::Rsa(RsaKeyPair::from_pkcs8(&key).expect("a key")))
    }

    fn new(id: &str, signing: Signing) -> Self {
        Self {
            id: id.to_owned(),
            signing,
        }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match &self.signing {
            Signing::Rsa(_) => "RS256",
            Signing::Ec(_) => "ES256",
            Signing::Ed(_) => "EdDSA",
        }
    }

    /// The public part as a JSON Web Key.
    pub(super) fn public(&self) -> Value {
        match &self.signing {
            Signing::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": self.id, "use": "sig", "n": base64url(&n), "e": base64url(&e)})
            }
            Signing::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": base64url(x), "y": base64url(y)})
            }
            Signing::Ed(pair) => {
                let x = pair.public_key().as_ref();
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "alg": "EdDSA", "x": base64url(x)})
            }
        }
    }

    /// A token with this header and these claims.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let random = SystemRandom::new();
        let signature = match &self.signing {
            Signing::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Signing::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Signing::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", base64url(&signature))
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.id})
    }

    /// A token as its header should be.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }
}

/// What the server of the keys does.
#[derive(Clone)]
pub(super) enum Mood {
    Answers(Vec<Value>),
    /// Something else than a key set.
    Says(&'static str),
    Fails,
    Silent,
    /// A body that does not end.
    Endless,
}

/// A server of public keys.
pub(super) struct Keys {
    pub(super) url: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

impl Keys {
    pub(super) async fn serve(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let server = Self {
            url,
            mood: Arc::new(Mutex::new(Mood::Fails)),
            asked: Arc::default(),
        };
        server.publish(keys);
        let (mood, asked) = (Arc::clone(&server.mood), Arc::clone(&server.asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream, mood.lock().unwrap().clone()));
            }
        });
        server
    }

    /// Publishes these keys from now on.
    pub(super) fn publish(&self, keys: &[&Key]) {
        self.set(Mood::Answers(keys.iter().map(|key| key.public()).collect()));
    }

    pub(super) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, mood: Mood) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let (status, body) = match mood {
        Mood::Answers(keys) => ("200 OK", json!({"keys": keys}).to_string()),
        Mood::Says(text) => ("200 OK", text.to_owned()),
        Mood::Fails => ("500 Internal Server Error", String::new()),
        Mood::Silent => return std::future::pending().await,
        Mood::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"keys\": [")
                .await
                .ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).await.ok()?;
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()
}
