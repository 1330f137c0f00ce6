//! Destination filters: what of an event a destination gets, if anything.
//!
//! | action | the event |
//! | --- | --- |
//! | SAMPLE | is dropped, but for a share of them |
//! | DROP | is dropped |
//! | DROP_PROPERTIES | loses the named members of the named objects |
//! | ALLOW_PROPERTIES | keeps of the named objects only the named members |
//!
//! - Every condition is asked of the event as it came, so one filter's cuts do not change what another decides.
//! - Documented order: all SAMPLE, all DROP, all DROP_PROPERTIES, all ALLOW_PROPERTIES. As actions only ever take away, any
//!   order has this result; filters may be listed as they like.
//! - Fails closed: an event that cannot be read, and a filter that cannot, drop.
//! - What is not cut stays byte for byte. A second pass over the same event decides the same: nothing is drawn by lot.

mod check;
mod cut;
mod sample;
#[cfg(test)]
mod tests;

pub use check::{ACTIONS_MAX, Draft, FIELDS_MAX, FilterError};

use crate::fql::Expression;
use crate::repair::mended;
use cut::Cut;
use sample::Sample;
use std::borrow::Cow;
use std::fmt;

/// A filter that has been checked: of one source and one destination, whose ids its caller knows.
#[derive(Clone, PartialEq)]
pub struct Filter {
    condition: Expression,
    actions: Vec<Action>,
}

/// What is done to the events for which a filter's condition holds.
#[derive(Clone, PartialEq)]
pub enum Action {
    Drop,
    Sample(Sample),
    /// DROP_PROPERTIES and ALLOW_PROPERTIES: one for each named object.
    Cut(Vec<Cut>),
}

/// What a destination gets.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome<'e> {
    /// Borrowed if nothing was cut.
    Kept(Cow<'e, [u8]>),
    Dropped {
        /// The place of the deciding filter among those that were given.
        filter: usize,
        why: Why,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A DROP.
    Dropped,
    /// A SAMPLE that the event is not in.
    NotSampled,
    /// The event is not JSON, as far as the filter had to read it.
    Unreadable,
}

impl Filter {
    /// The stand-in for a stored filter that [`Filter::check`] refuses: drops every event, so that nothing leaves by mistake.
    pub fn closed() -> Self {
        Self { condition: Expression::all(), actions: vec![Action::Drop] }
    }

    pub fn condition(&self) -> &Expression {
        &self.condition
    }

    pub fn actions(&self) -> &[Action] {
        &self.actions
    }
}

/// Without the values and names in it.
impl fmt::Debug for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Filter").field("actions", &self.actions.len()).finish_non_exhaustive()
    }
}

/// Puts an event through the enabled filters of one destination.
///
/// `event`: a JSON object as [`crate::Facts::write`] made it.
pub fn apply<'e, 'f>(filters: impl IntoIterator<Item = &'f Filter>, event: &'e [u8]) -> Outcome<'e> {
    let mut cuts = Vec::new();
    for (place, filter) in filters.into_iter().enumerate() {
        let dropped = |why| Outcome::Dropped { filter: place, why };
        match filter.condition.decide(event) {
            None => return dropped(Why::Unreadable),
            Some(false) => continue,
            Some(true) => {}
        }
        for action in &filter.actions {
            match action {
                Action::Drop => return dropped(Why::Dropped),
                Action::Sample(sample) if !sample.takes(event) => return dropped(Why::NotSampled),
                Action::Sample(_) => {}
                Action::Cut(of_filter) => cuts.extend(of_filter.iter().map(|cut| (place, cut))),
            }
        }
    }
    let mut kept = Cow::Borrowed(event);
    for (filter, cut) in cuts {
        match cut.apply(&kept) {
            None => return Outcome::Dropped { filter, why: Why::Unreadable },
            Some(Cow::Owned(rest)) => kept = Cow::Owned(rest),
            Some(Cow::Borrowed(_)) => {}
        }
    }
    Outcome::Kept(kept)
}

/// What one filter makes of a payload that somebody tries it with; `None` if it drops it. The payload is mended first as
/// ingest would: of a key that is there twice the last one is kept, a lone surrogate is replaced.
pub fn preview(filter: &Filter, payload: &[u8]) -> Option<Vec<u8>> {
    match apply([filter], &mended(payload)) {
        Outcome::Kept(event) => Some(event.into_owned()),
        Outcome::Dropped { .. } => None,
    }
}
