//! Passwords: what is taken for one, and how one is kept.
//!
//! - Kept is argon2id of it, as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`), at OWASP's floor of 19 MiB and
//!   two passes. A string that was made with other parameters is told to be stale when its password is right, so that it
//!   can be made anew.
//! - Looking at somebody who is not there, or who has no password, takes as long as a wrong password does.
//! - Neither a password nor a hash has a `Debug`.
//!
//! A look takes some 30 ms of a core and 19 MiB: call it on a blocking thread, few at a time.

use crate::ControlError;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domicile_world::Random;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Characters of a password.
const CHARS_MIN: usize = 8;
const CHARS_MAX: usize = 200;
/// Longer ones are wrong without a look at them.
const BYTES_MAX: usize = CHARS_MAX * 4;
const SALT_BYTES: usize = 16;
/// Characters of a password that is made for somebody: 95 bits.
const ONE_TIME_CHARS: usize = 16;
/// Shorter parts of a name or an e-mail address are in many passwords by chance.
const OWN_CHARS_MIN: usize = 4;
/// What a password has more than somebody's own name, at least.
const OTHER_CHARS_MIN: usize = 6;

/// The passwords that whoever guesses tries first, in lower case. Shorter ones are refused for their length.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// How a password is kept. No `Debug`: with a weak password a hash is a password.
#[derive(Clone)]
pub struct Hash(String);

/// What a look at a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    /// `stale`: the hash was made with other parameters than today's; make it anew while the password is at hand.
    Right {
        stale: bool,
    },
}

fn argon2id() -> Argon2<'static> {
    // The crate's default is OWASP's floor; a test holds that.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

impl Hash {
    /// Hashes a password that [`check`] has taken.
    pub fn of(password: &str, random: &dyn Random) -> Result<Self, ControlError> {
        let mut salt = [0; SALT_BYTES];
        random.fill(&mut salt);
        let hash = argon2id()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|_| ControlError::invalid("password", "could not be hashed", "give it again, or another one"))?;
        Ok(Self(hash.to_string()))
    }

    /// From the store.
    pub(crate) fn kept(phc: String) -> Self {
        Self(phc)
    }

    pub(crate) fn as_phc(&self) -> &str {
        &self.0
    }
}

/// Whether `password` is the one that `hash` was made of. `None`, for somebody who is not there, takes as long.
pub fn verify(password: &str, hash: Option<&Hash>) -> Verdict {
    if password.len() > BYTES_MAX {
        return Verdict::Wrong;
    }
    let Some(kept) = hash.and_then(|hash| PasswordHash::new(&hash.0).ok()) else {
        let mut out = [0; 32];
        // The answer is no, whatever comes of it.
        _ = argon2id().hash_password_into(password.as_bytes(), &[0; SALT_BYTES], &mut out);
        return Verdict::Wrong;
    };
    match argon2id().verify_password(password.as_bytes(), &kept) {
        Ok(()) => Verdict::Right { stale: !is_current(&kept) },
        Err(_) => Verdict::Wrong,
    }
}

fn is_current(kept: &PasswordHash) -> bool {
    let same = |params: Params| {
        let (now, then) = (Params::DEFAULT, params);
        (now.m_cost(), now.t_cost(), now.p_cost()) == (then.m_cost(), then.t_cost(), then.p_cost())
    };
    kept.algorithm.as_str() == "argon2id" && Params::try_from(kept).is_ok_and(same)
}

/// Whether `password` is taken for somebody with this e-mail address and name.
///
/// # Errors
/// `Invalid` with the field `password`: too short, too long, one of the common ones, or the person's own name.
pub fn check(password: &str, email: &str, name: &str) -> Result<(), ControlError> {
    let refuse = |what: &str, mend: &str| Err(ControlError::invalid("password", what, mend));
    let chars = password.chars().count();
    if chars < CHARS_MIN {
        return refuse("is too short", "give 8 to 200 characters; several words are good");
    }
    if chars > CHARS_MAX {
        return refuse("is too long", "give 8 to 200 characters");
    }
    if password.contains('\0') {
        return refuse("holds U+0000", "leave it out");
    }
    let lower = password.to_lowercase();
    if COMMON.contains(lower.as_str()) || repeats(&lower) {
        return refuse("is among the first that are guessed", "give another one; several words are good");
    }
    let local = email.split('@').next().unwrap_or_default();
    for own in [email, local].into_iter().chain(name.split_whitespace()).chain([name]) {
        if is_mostly(&lower, &own.to_lowercase()) {
            return refuse("is mostly the person's own name or e-mail address", "give another one");
        }
    }
    Ok(())
}

/// One or two characters, over and over.
fn repeats(text: &str) -> bool {
    text.chars().collect::<HashSet<_>>().len() <= 2
}

/// Whether little is left of `text` without `own`.
fn is_mostly(text: &str, own: &str) -> bool {
    own.chars().count() >= OWN_CHARS_MIN
        && text.contains(own)
        && text.replace(own, "").chars().count() < OTHER_CHARS_MIN
}

/// A password for somebody who has none yet, or has forgotten it. No letter is taken for another.
pub fn one_time(random: &dyn Random) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_+=*#%@";
    let mut bytes = [0; ONE_TIME_CHARS];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_world::RealRandom;

    #[test]
    fn the_right_password_is_right_and_no_other_is() {
        let hash = Hash::of("correct horse battery", &RealRandom).expect("hashed");
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "OWASP's floor");
        assert_eq!(verify("correct horse battery", Some(&hash)), Verdict::Right { stale: false });
        for wrong in ["", "correct horse batter", "Correct horse battery", "correct horse battery "] {
            assert_eq!(verify(wrong, Some(&hash)), Verdict::Wrong, "{wrong:?}");
        }
        assert_eq!(verify(&"x".repeat(10_000_000), Some(&hash)), Verdict::Wrong);
        let again = Hash::of("correct horse battery", &RealRandom).expect("hashed");
        assert_ne!(hash.as_phc(), again.as_phc(), "each has its own salt");
    }

    #[test]
    fn a_hash_of_other_parameters_is_right_and_stale() {
        let weak = Params::new(1024, 1, 1, None).expect("parameters");
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak);
        let kept = weak.hash_password_with_salt(b"correct horse", b"0123456789abcdef").expect("hashed");
        let kept = Hash::kept(kept.to_string());
        assert_eq!(verify("correct horse", Some(&kept)), Verdict::Right { stale: true });
        assert_eq!(verify("other horse", Some(&kept)), Verdict::Wrong);
    }

    #[test]
    fn nobody_and_a_damaged_hash_have_no_right_password() {
        assert_eq!(verify("", None), Verdict::Wrong);
        assert_eq!(verify("correct horse", None), Verdict::Wrong);
        for damaged in ["", "x", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$$", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert_eq!(verify("correct horse", Some(&Hash::kept(damaged.to_owned()))), Verdict::Wrong, "{damaged}");
        }
    }

    #[test]
    fn a_password_is_not_short_not_common_and_not_ones_own_name() {
        let long = "né".repeat(100) + "x";
        for (password, taken) in [
            ("correct horse", true),
            ("長い長い合言葉です", true),
            ("anna loves chess", true),
            (&long[1..], true),
            ("short12", false),
            (long.as_str(), false),
            ("password123", false),
            ("PassWord123", false),
            ("qwertyuiop", false),
            ("aaaaaaaaaaaa", false),
            ("xyxyxyxyxyxy", false),
            ("anna.keller@example.com", false),
            ("anna.keller1", false),
            ("Keller2024", false),
            ("with\0zero", false),
        ] {
            let found = check(password, "anna.keller@example.com", "Anna Keller");
            assert_eq!(found.is_ok(), taken, "{password:?}");
            if let Err(error) = found {
                assert!(!error.to_string().contains(password), "an error does not show the password");
            }
        }
    }

    #[test]
    fn the_list_of_common_passwords_is_in_lower_case_and_of_a_length_that_matters() {
        for password in COMMON.iter() {
            assert!(password.chars().count() >= CHARS_MIN && *password == password.to_lowercase(), "{password}");
        }
    }

    #[test]
    fn a_one_time_password_is_taken_for_anybody() {
        let one = one_time(&RealRandom);
        assert_eq!(one.len(), ONE_TIME_CHARS);
        check(&one, "a@example.com", "Anna").expect("taken");
        assert_ne!(one, one_time(&RealRandom));
    }
}
