//! In whose name something is done, where two persons are needed: a token is not a person of its own.
//!
//! ```text
//! a user                               ──► the user
//! the program, or an operator's token  ──► the operator
//! a workspace's token ──► its maker ──► … ──► a user: that user
//!                                         ──► anyone else: nobody. Who runs the cell made it, and who holds it is not known
//! ```

use crate::ControlError;
use crate::audit::Actor;
use crate::db::values;
use crate::view::View;

impl View<'_> {
    /// In whose name `actor` acts: a user, the operator, or a token that leads to nobody.
    pub fn person_of(&self, actor: &Actor) -> Result<Actor, ControlError> {
        let id = match actor {
            Actor::Operator | Actor::User { .. } => return Ok(actor.clone()),
            Actor::Token { id, .. } => id,
        };
        if self.count("find an operator's token", "SELECT count(*) FROM operator_tokens WHERE id = ?1", values![id])?
            > 0
        {
            return Ok(Actor::Operator);
        }
        let mut maker = self.maker_of_token(id)?;
        while let Some(token) = maker.as_deref().and_then(|maker| maker.strip_prefix("token:")) {
            maker = self.maker_of_token(token)?;
        }
        let user = match maker.as_deref().and_then(|maker| maker.strip_prefix("user:")) {
            Some(user) => {
                self.one("find a token's maker", "SELECT id, email FROM users WHERE id = ?1", values![user], |row| {
                    Ok(Actor::User { id: row.get(0)?, name: row.get(1)? })
                })?
            }
            None => None,
        };
        Ok(user.unwrap_or_else(|| actor.clone()))
    }

    /// Who made a workspace's token, older than itself: this leads to an end.
    fn maker_of_token(&self, id: &str) -> Result<Option<String>, ControlError> {
        self.one("find a token's maker", "SELECT created_by FROM tokens WHERE id = ?1", values![id], |row| row.get(0))
    }
}
