//! Requests that are made once: the answer to an `Idempotency-Key` is kept and given again.
//!
//! - The record is part of the change: when the answer is lost on its way, the change is there and so is the record.
//! - Answers are sealed under the region's key, because one may hold a token that is nowhere else.

use crate::change::Change;
use crate::db::values;
use crate::{ControlError, id};

/// How long an answer is kept, as the API says.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Old records that one change sweeps away.
const SWEPT: u32 = 100;

/// A request that is to be made once.
#[derive(Clone, PartialEq, Eq)]
pub struct Once {
    /// The `Idempotency-Key`, of the actor's choice.
    pub key: String,
    /// SHA-256 of the request (operation, path and body).
    pub request: [u8; 32],
}

impl Once {
    /// `asked`: all that the request asks for, in any form that is the same for the same request.
    pub fn new(key: impl Into<String>, asked: &[u8]) -> Self {
        Self { key: key.into(), request: id::sha256(asked) }
    }
}

/// The answer to a request that was made once. No `Debug`: it may hold a token.
#[derive(PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether it is the answer that was kept, and nothing was done now.
    pub replayed: bool,
}

impl Change<'_> {
    /// Calls `make`, once: when the same actor asked the same with the same key within 24 hours, the first answer
    /// (`status`, bytes) is given again and `make` isn't called. An answer that is an error is not kept.
    ///
    /// # Errors
    /// `KeyReused` when the key came with another request.
    pub fn once<E: From<ControlError>>(
        &mut self,
        once: &Once,
        make: impl FnOnce(&mut Self) -> Result<(u16, Vec<u8>), E>,
    ) -> Result<Answered, E> {
        if let Some(answered) = find(self, once)? {
            return Ok(answered);
        }
        let (status, body) = make(self)?;
        keep(self, once, status, &body)?;
        Ok(Answered { status, body, replayed: false })
    }
}

/// The kept answer, if the request came before.
fn find(change: &Change<'_>, once: &Once) -> Result<Option<Answered>, ControlError> {
    let kept = change.one(
        "look for an earlier answer",
        "SELECT request, status, answer FROM idempotency WHERE actor = ?1 AND key = ?2 AND at > ?3",
        values![change.by().code(), once.key, change.now.plus(-KEPT_MS)],
        |row| Ok((row.get::<Vec<u8>>(0)?, row.get(1)?, row.get::<Vec<u8>>(2)?)),
    )?;
    let Some((request, status, answer)) = kept else { return Ok(None) };
    if request != once.request {
        return Err(ControlError::KeyReused);
    }
    let body = change.inner.keys.open_secret(&answer).map_err(|error| change.secret("idempotency", error))?;
    Ok(Some(Answered { status, body, replayed: true }))
}

/// Keeps an answer, and sweeps some that are old.
fn keep(change: &Change<'_>, once: &Once, status: u16, body: &[u8]) -> Result<(), ControlError> {
    change.run(
        "sweep old answers",
        "DELETE FROM idempotency WHERE (actor, key) IN
             (SELECT actor, key FROM idempotency WHERE at <= ?1 ORDER BY at LIMIT ?2)",
        values![change.now.plus(-KEPT_MS), SWEPT],
    )?;
    let sealed = change.inner.keys.seal_secret(body).map_err(|error| change.secret("idempotency", error))?;
    change.run(
        "keep an answer",
        "INSERT INTO idempotency (actor, key, request, status, answer, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, status = excluded.status,
             answer = excluded.answer, at = excluded.at",
        values![change.by().code(), once.key, once.request, status, sealed, change.now],
    )?;
    Ok(())
}
