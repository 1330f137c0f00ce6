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

/// In whose name something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// Who runs the cell.
    Operator,
    /// `name`: the e-mail address.
    User { id: String, name: String },
    /// Nobody in particular: a token that no user made. `id` and `name` are the token's.
    Token { id: String, name: String },
}

impl Person {
    /// `operator`, `user:ID` or `token:ID`.
    pub fn code(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::User { id, .. } => format!("user:{id}"),
            Self::Token { id, .. } => format!("token:{id}"),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::User { name, .. } | Self::Token { name, .. } => name,
        }
    }
}

impl View<'_> {
    /// In whose name `actor` acts.
    pub fn person_of(&self, actor: &Actor) -> Result<Person, ControlError> {
        let (id, name) = match actor {
            Actor::Operator => return Ok(Person::Operator),
            Actor::User { id, name } => return Ok(Person::User { id: id.clone(), name: name.clone() }),
            Actor::Token { id, name } => (id, name),
        };
        if self.count("find an operator's token", "SELECT count(*) FROM operator_tokens WHERE id = ?1", values![id])?
            > 0
        {
            return Ok(Person::Operator);
        }
        let mut maker = self.maker_of_token(id)?;
        while let Some(token) = maker.as_deref().and_then(|maker| maker.strip_prefix("token:")) {
            maker = self.maker_of_token(token)?;
        }
        let user = match maker.as_deref().and_then(|maker| maker.strip_prefix("user:")) {
            Some(user) => {
                self.one("find a token's maker", "SELECT id, email FROM users WHERE id = ?1", values![user], |row| {
                    Ok(Person::User { id: row.get(0)?, name: row.get(1)? })
                })?
            }
            None => None,
        };
        Ok(user.unwrap_or_else(|| Person::Token { id: id.clone(), name: name.clone() }))
    }

    /// Who made a workspace's token, older than itself: this leads to an end.
    fn maker_of_token(&self, id: &str) -> Result<Option<String>, ControlError> {
        self.one("find a token's maker", "SELECT created_by FROM tokens WHERE id = ?1", values![id], |row| row.get(0))
    }
}
