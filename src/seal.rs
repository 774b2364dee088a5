//! The keys of the gateway, and their use. The gateway encrypts data that a client keeps for it,
//! for example a session. It authenticates data that a client sends back, for example an alias,
//! with a tag. Only the gateway can make or change such data.

use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// The length of a key, in bytes.
pub const KEY: usize = 32;
/// The length of a nonce, in bytes. Random nonces of this length do not repeat.
pub const NONCE: usize = 24;
/// The length of a tag, in bytes.
pub const TAG: usize = 16;

/// One or more keys. The first key seals and makes tags; all keys open and verify. To replace a key
/// and keep the sessions that it sealed: configure the new key as the second one on all replicas,
/// then as the first one, and remove the old key when these sessions have ended.
#[derive(Clone)]
pub struct Keys(Rc<[Key]>);

struct Key {
    cipher: XChaCha20Poly1305,
    mac: Hmac<Sha256>,
}

/// The content of a sealed text.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Opened {
    /// The nonce with which it was sealed.
    pub nonce: [u8; NONCE],
    /// The decrypted bytes.
    pub plain: Vec<u8>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Key {
    fn new(key: [u8; KEY]) -> Option<Self> {
        // Tags have a separate key, so that a tag shows nothing about the key of the cipher.
        let mut derived = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        derived.update(b"mcp-gateway: key of tags");
        Some(Self {
            cipher: XChaCha20Poly1305::new(&key.into()),
            mac: Hmac::new_from_slice(&derived.finalize().into_bytes()).ok()?,
        })
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        with_lengths(parts, |bytes| mac.update(bytes));
        mac
    }
}

impl Keys {
    /// These keys; `None` when there is none.
    pub fn new(keys: Vec<[u8; KEY]>) -> Option<Self> {
        let keys = keys.into_iter().map(Key::new).collect::<Option<Rc<_>>>()?;
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Encrypts `plain` with XChaCha20-Poly1305, and authenticates it together with
    /// the `associated` data. Gives the nonce, the ciphertext and the tag of the
    /// cipher, as base64url without padding. Use a nonce only once. Gives `None`
    /// when `plain` is too long for the cipher (256 GiB).
    pub fn seal(&self, nonce: [u8; NONCE], plain: &[u8], associated: &[u8]) -> Option<String> {
        let mut sealed = plain.to_vec();
        let key = self.0.first()?;
        key.cipher
            .encrypt_in_place(&nonce.into(), associated, &mut sealed)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Decrypts `text`. Gives `None` when `text` was not sealed with one of these
    /// keys and the same `associated` data.
    pub fn open(&self, text: &str, associated: &[u8]) -> Option<Opened> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        self.0.iter().find_map(|key| {
            let mut plain = sealed.to_vec();
            key.cipher
                .decrypt_in_place(&(*nonce).into(), associated, &mut plain)
                .ok()?;
            Some(Opened {
                nonce: *nonce,
                plain,
            })
        })
    }

    /// The tag of `parts`: the first half of their HMAC-SHA256 with the first key.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        if let Some(key) = self.0.first() {
            let whole = key.mac(parts).finalize().into_bytes();
            tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        }
        tag
    }

    /// Whether `tag` is the tag of `parts` with one of these keys. The comparison
    /// takes constant time.
    pub fn verifies(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        tag.len() == TAG
            && self
                .0
                .iter()
                .any(|key| key.mac(parts).verify_truncated_left(tag).is_ok())
    }
}

/// The SHA-256 of `parts`. Different lists of parts have different digests, also
/// where their concatenations are equal.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    with_lengths(parts, |bytes| digest.update(bytes));
    digest.finalize().into()
}

/// The plain SHA-256 of `bytes`, as other programs compute it.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Gives the length of each part before the part, so that the bytes of two
/// different lists are never the same.
fn with_lengths(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
    for part in parts {
        update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        update(part);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    pub(crate) fn keys(first: &[u8]) -> Keys {
        Keys::new(first.iter().map(|byte| [*byte; KEY]).collect()).unwrap()
    }

    /// 10,000 changed copies of the texts `valid`. None of them is one of `valid`.
    pub(crate) fn mutations(valid: &[String]) -> impl Iterator<Item = String> {
        const ALPHABET: &[u8] = b"AZaz09-_=+/ .\n";
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = move |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(end.max(1)).unwrap()).unwrap()
        };
        let valid = valid.to_vec();
        let known = valid.clone();
        let mutate = move || {
            let mut text = valid[below(valid.len())].clone().into_bytes();
            let other = valid[below(valid.len())].as_bytes();
            let (at, to) = (below(text.len()), below(text.len()));
            match below(9) {
                0 => text[at] = ALPHABET[below(ALPHABET.len())],
                1 => text[at] ^= 1 << below(7),
                2 => text.truncate(at),
                3 => drop(text.drain(..at)),
                4 => text.swap(at, to),
                5 => text.extend_from_slice(&other[..below(other.len())]),
                6 => text.insert(at, ALPHABET[below(ALPHABET.len())]),
                7 => drop(text.splice(at.., other[at.min(other.len())..].iter().copied())),
                // Changes one bit of the decoded bytes.
                _ => {
                    let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
                    let at = below(bytes.len());
                    bytes[at] ^= 1 << below(8);
                    text = URL_SAFE_NO_PAD.encode(bytes).into_bytes();
                }
            }
            String::from_utf8(text).unwrap()
        };
        std::iter::repeat_with(mutate)
            .filter(move |text| !known.contains(text))
            .take(10_000)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_sealed_is_opened_and_nothing_else() {
        let keys = keys(&[1]);
        let sealed: Vec<String> = [&b""[..], b"x", b"yy", &[0xff; 100]]
            .iter()
            .enumerate()
            .map(|(at, plain)| {
                let nonce = [u8::try_from(at).unwrap(); NONCE];
                let text = keys.seal(nonce, plain, b"a").unwrap();
                assert_eq!(
                    text.len(),
                    (NONCE + plain.len() + 16).div_ceil(3) * 4 - [0, 2, 1][(40 + plain.len()) % 3]
                );
                let plain = plain.to_vec();
                assert_eq!(keys.open(&text, b"a"), Some(Opened { nonce, plain }));
                assert_eq!(keys.open(&text, b"b"), None);
                assert_eq!(keys.open(&text, b""), None);
                text
            })
            .collect();
        for text in mutations(&sealed) {
            assert_eq!(keys.open(&text, b"a"), None, "{text}");
        }
    }

    /// The example of the XChaCha20-Poly1305 draft (draft-irtf-cfrg-xchacha-03, appendix A.3.1).
    #[wasm_bindgen_test(unsupported = test)]
    fn it_is_the_cipher_that_others_know() {
        let key = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let nonce = std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap());
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let associated = b"\x50\x51\x52\x53\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7";
        let keys = Keys::new(vec![key]).unwrap();
        let text = keys.seal(nonce, plain, associated).unwrap();
        let sealed = URL_SAFE_NO_PAD.decode(text).unwrap();
        assert_eq!(sealed[NONCE..][..4], [0xbd, 0x6d, 0x17, 0x9d]);
        assert_eq!(
            sealed[NONCE + plain.len()..],
            [
                0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a,
                0xcf, 0x49
            ]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_first_key_seals_and_every_key_opens() {
        let text = keys(&[1]).seal([7; NONCE], b"x", b"").unwrap();
        let tag = keys(&[1]).tag(&[b"x"]);
        for (others, opens) in [
            (&[1][..], true),
            (&[2, 1], true),
            (&[1, 2], true),
            (&[2], false),
            (&[2, 3], false),
        ] {
            let others = keys(others);
            assert_eq!(others.open(&text, b"").is_some(), opens, "{others:?}");
            assert_eq!(others.verifies(&[b"x"], &tag), opens, "{others:?}");
        }
        assert_eq!(keys(&[1, 2]).tag(&[b"x"]), tag);
        assert_ne!(keys(&[2, 1]).tag(&[b"x"]), tag);
        assert!(Keys::new(Vec::new()).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_tag_is_for_one_list_of_parts() {
        let keys = keys(&[1]);
        let lists: [&[&[u8]]; 7] = [
            &[],
            &[b""],
            &[b"", b""],
            &[b"ab"],
            &[b"a", b"b"],
            &[b"b", b"a"],
            &[b"ab", b""],
        ];
        for (at, list) in lists.iter().enumerate() {
            for (other_at, other) in lists.iter().enumerate() {
                let same = at == other_at;
                assert_eq!(keys.verifies(other, &keys.tag(list)), same);
                assert_eq!(digest(list) == digest(other), same);
            }
            let tag = keys.tag(list);
            for wrong in [&[][..], &tag[..15], &[&tag[..], &[0]].concat(), &[0; 16]] {
                assert!(!keys.verifies(list, wrong));
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_key_is_shown() {
        assert_eq!(format!("{:?}", keys(&[1, 2])), "Keys(2)");
    }
}
