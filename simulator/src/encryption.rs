//! Twilio's Voice Recording Encryption: AES-256-GCM under a key wrapped with RSAES-OAEP, the tag at the end of the file.
//! <https://www.twilio.com/docs/voice/tutorials/voice-recording-encryption>

use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Clip, derive};

/// A clip that only the account's owner can open.
#[derive(Clone)]
pub(crate) struct Encrypted {
    clip: &'static Clip,
    key: [u8; 32],
    iv: [u8; 12],
    public_key_sid: String,
    wrapped_key: String,
}

impl std::fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encrypted").field("clip", &self.clip.name).finish_non_exhaustive()
    }
}

impl Encrypted {
    /// Key and IV follow from seed and index, so the ciphertext is the same in every run; the wrapping is not.
    pub(crate) fn new(clip: &'static Clip, seed: u64, index: u64) -> Self {
        let key = derive::bytes(seed, index, "content encryption key");
        let mut iv = [0; 12];
        iv.copy_from_slice(&derive::bytes(seed, index, "content encryption iv")[..12]);
        let public_key_sid = format!("CR{}", derive::hex_digits(seed, 0, "public key"));
        Self { clip, key, iv, public_key_sid, wrapped_key: STANDARD.encode(wrap(&key)) }
    }

    pub(crate) fn clip(&self) -> &'static Clip {
        self.clip
    }

    /// The encrypted WAV and its 16-byte tag.
    pub(crate) fn ciphertext(&self) -> Bytes {
        let key = UnboundKey::new(&AES_256_GCM, &self.key).expect("AES-256-GCM keys have 32 bytes");
        let mut bytes = self.clip.wav.to_vec();
        LessSafeKey::new(key)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(self.iv), Aad::empty(), &mut bytes)
            .expect("a clip is far shorter than AES-GCM's limit");
        bytes.into()
    }

    /// `EncryptionDetails` of a callback, before it is made a string.
    pub(crate) fn callback_details(&self) -> Value {
        json!({
            "type": "rsa-aes",
            "public_key_sid": self.public_key_sid,
            "encrypted_cek": self.wrapped_key,
            "iv": STANDARD.encode(self.iv),
        })
    }

    /// `encryption_details` of the REST resource.
    pub(crate) fn resource_details(&self) -> Value {
        json!({
            "encryption_public_key_sid": self.public_key_sid,
            "encryption_cek": self.wrapped_key,
            "encryption_iv": STANDARD.encode(self.iv),
        })
    }
}

/// The account's private key: made at first use, one for the process.
fn account_key() -> &'static PrivateDecryptingKey {
    static KEY: OnceLock<PrivateDecryptingKey> = OnceLock::new();
    KEY.get_or_init(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("RSA-2048 keys can be generated"))
}

/// The private key as PKCS#8 DER.
pub(crate) fn account_key_der() -> Vec<u8> {
    let der: Pkcs8V1Der<'_> = account_key().as_der().expect("a generated key can be encoded");
    der.as_ref().to_vec()
}

fn wrap(key: &[u8; 32]) -> Vec<u8> {
    let public = OaepPublicEncryptingKey::new(account_key().public_key()).expect("RSA-2048 suits OAEP");
    let mut wrapped = vec![0; public.ciphertext_size()];
    public
        .encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None)
        .expect("32 bytes fit into an RSA-2048 block")
        .to_vec()
}
