//! What someone must know to be let in, kept so that whoever reads it does not know it.

use std::fmt::{self, Write};

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// What remains of a token: enough to know it again. It is random and long, so that nobody finds it by trying.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl TokenHash {
    /// Of a token.
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    /// Whether it is of the same token. How long that takes says nothing.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// As it is stored.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it was stored.
    pub fn stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As a text, for comparing.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_again_and_not_shown() {
        let hash = TokenHash::of("hunter2-hunter2-hunter2");
        assert!(hash.is(&TokenHash::of("hunter2-hunter2-hunter2")));
        assert!(!hash.is(&TokenHash::of("hunter2-hunter2-hunter3")) && !hash.is(&TokenHash::of("")));
        assert!(!format!("{hash:?} {}", hash.hex()).contains("hunter2"));
    }
}
