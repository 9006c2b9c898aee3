//! Passwords, kept as argon2id has them: whoever reads that must try one after the other, and each try takes its time.

use std::fmt;

use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier, password_hash::phc};

use super::secret::TokenHash;

/// What trying one may take at most; more would be a way to take the agent's memory from its jobs.
const MEMORY_LIMIT: u32 = 64 << 10;
const PASSES_LIMIT: u32 = 16;

/// What remains of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// As `watchbell hash-password` prints it. No reason repeats it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "it is no hash as watchbell hash-password prints it, which begins with $argon2id$".to_owned();
        let hash = phc::PasswordHash::new(text).map_err(|_| wrong())?;
        if hash.algorithm.as_str() != "argon2id" || hash.salt.is_none() || hash.hash.is_none() {
            return Err(wrong());
        }
        let params = Params::try_from(&hash).map_err(|_| wrong())?;
        if params.m_cost() > MEMORY_LIMIT || params.t_cost() > PASSES_LIMIT {
            return Err("each login would take more than 64 MiB or 16 passes: make it anew with watchbell \
                        hash-password"
                .to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Of a password; the salt is 16 random bytes.
    pub fn of(password: &str, salt: &[u8; 16]) -> Result<Self, String> {
        let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), salt);
        hash.map(|it| Self(it.to_string())).map_err(|error| error.to_string())
    }

    /// Whether it is of this password. That takes a moment and some megabytes.
    pub fn is_of(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), self.0.as_str()).is_ok()
    }

    /// What tells it from the hash of another password, or of another day.
    pub fn mark(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// As it is to be written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_by_its_hash_alone() {
        let hash = PasswordHash::of("hunter2", &[7; 16]).unwrap();
        let read = PasswordHash::parse(hash.text()).unwrap();
        assert!(read.is_of("hunter2") && !read.is_of("hunter3") && !read.is_of(""));
        assert!(!format!("{hash:?}").contains("argon2id"));
        assert!(hash.text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.text());
        assert_ne!(hash.mark(), PasswordHash::of("hunter2", &[8; 16]).unwrap().mark());
    }

    #[test]
    fn what_is_no_hash_or_would_take_too_much_is_refused() {
        let hash = PasswordHash::of("hunter2", &[7; 16]).unwrap().0;
        for (wrong, part) in [
            ("hunter2-canary".to_owned(), "no hash"),
            (String::new(), "no hash"),
            (hash.replace("argon2id", "argon2i"), "no hash"),
            ("$argon2id$v=19$m=19456,t=2,p=1".to_owned(), "no hash"),
            (hash.replace("m=19456", "m=1000000"), "64 MiB"),
            (hash.replace("t=2", "t=1000"), "16 passes"),
        ] {
            let told = PasswordHash::parse(&wrong).unwrap_err();
            assert!(told.contains(part) && !told.contains("canary"), "{wrong}: {told}");
        }
    }
}
