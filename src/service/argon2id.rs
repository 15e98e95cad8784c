//! Argon2id in PHC strings, in memory that is used again.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::config::PasswordCost;

pub(super) use argon2::password_hash::Error as HashError;

/// Argon2id at a certain cost.
///
/// Source: RFC 9106; the string format is that of the Password Hashing Competition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argon2id {
    cost: PasswordCost,
}

/// What one thread computes in; it grows to what a hash needs and stays.
#[derive(Default)]
pub(super) struct Memory {
    blocks: Vec<Block>,
    /// What each hash computed here has cost.
    #[cfg(test)]
    pub(super) computed: Vec<PasswordCost>,
}

impl Argon2id {
    /// # Errors
    /// When Argon2 takes no such cost.
    pub(super) fn new(cost: PasswordCost) -> Result<Self, HashError> {
        let argon2id = Self { cost };
        argon2id.params().map(|_| argon2id)
    }

    fn params(self) -> Result<Params, HashError> {
        Ok(Params::new(self.cost.memory_kib, self.cost.iterations, 1, None)?)
    }

    /// The PHC string of `password`, with a salt of its own.
    pub(super) fn hash(self, memory: &mut Memory, password: &[u8]) -> Result<String, HashError> {
        let params = self.params()?;
        let salt = Salt::generate();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let output = compute(&argon2, memory, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Whether `password` is the one of which `stored` was made, at the cost at which it was made.
    pub(super) fn matches(self, memory: &mut Memory, password: &[u8], stored: &str) -> Result<bool, HashError> {
        let stored = PasswordHash::new(stored)?;
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
            return Err(HashError::PasswordInvalid);
        };
        let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
        let version = stored.version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored)?);
        // An `Output` compares in constant time.
        Ok(compute(&argon2, memory, password, &salt, expected.len())? == expected)
    }

    /// Whether `stored` was made at this cost.
    pub(super) fn made(self, stored: &str) -> Result<bool, HashError> {
        let stored = PasswordHash::new(stored)?;
        let params = Params::try_from(&stored)?;
        Ok(stored.algorithm == Algorithm::Argon2id.ident() && params.p_cost() == 1 && cost_of(&params) == self.cost)
    }
}

fn cost_of(params: &Params) -> PasswordCost {
    PasswordCost { memory_kib: params.m_cost(), iterations: params.t_cost() }
}

fn compute(
    argon2: &Argon2<'_>,
    memory: &mut Memory,
    password: &[u8],
    salt: &[u8],
    length: usize,
) -> Result<Output, HashError> {
    #[cfg(test)]
    memory.computed.push(cost_of(argon2.params()));
    let blocks = &mut memory.blocks;
    if blocks.len() < argon2.params().block_count() {
        blocks.resize(argon2.params().block_count(), Block::default());
    }
    let mut buffer = [0; Output::MAX_LENGTH];
    let out = buffer.get_mut(..length).ok_or(HashError::OutputSize)?;
    argon2.hash_password_into_with_memory(password, salt, out, blocks.as_mut_slice())?;
    Ok(Output::new(out)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordVerifier;

    #[test]
    fn the_default_cost_is_the_one_owasp_asks_for() {
        let argon2id = Argon2id::new(PasswordCost::default()).unwrap();
        let stored = argon2id.hash(&mut Memory::default(), b"correct horse").unwrap();

        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(argon2id.made(&stored).unwrap());
    }

    #[test]
    fn the_library_agrees_and_memory_that_was_used_makes_no_difference() {
        let mut memory = Memory::default();
        let strong = Argon2id::new(PasswordCost { memory_kib: 64, iterations: 3 }).unwrap();
        let weak = Argon2id::new(PasswordCost::FOR_TESTS).unwrap();

        for (argon2id, password) in [(strong, "one"), (weak, "two"), (strong, "three")] {
            let stored = argon2id.hash(&mut memory, password.as_bytes()).unwrap();
            let verified = Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(&stored).unwrap());
            assert!(verified.is_ok(), "{stored}");
            assert!(weak.matches(&mut memory, password.as_bytes(), &stored).unwrap());
            assert!(!weak.matches(&mut memory, b"another", &stored).unwrap());
        }
    }

    #[test]
    fn what_is_no_phc_string_matches_nothing() {
        let argon2id = Argon2id::new(PasswordCost::FOR_TESTS).unwrap();
        for stored in ["", "secret", "$argon2id$v=19$m=8,t=1,p=1$", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ"] {
            assert!(argon2id.matches(&mut Memory::default(), b"secret", stored).is_err(), "{stored}");
        }
    }
}
