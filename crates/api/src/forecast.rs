//! What a change would let out: each destination is judged before and after, and the events of the last day are counted.
//!
//! ```text
//! running border ── foresee(destination) ──► before ┐
//!                                                   ├──► effect ──► the day's kept events, its filters' too, and their people
//! supposed border ─ foresee(changed one) ──► after  ┘
//! ```
//!
//! - The judgement is the border's own ([`Border::foresee`]); there is no second one here.
//! - Names are not resolved: a host is taken to be where it is declared to be.
//! - Nothing of an event is kept but a hash of who it is of, in memory, while it is counted. What is told are numbers.

use crate::answer::ApiError;
use crate::cell::Cell;
use domicile_border::{Border, Foreseen, Refusal};
use domicile_destinations::{User, ask_of, user_of};
use domicile_event::filter;
use domicile_log::{EventFrame, Position, ReadError};
use domicile_workspace::{Destination, DestinationKind, SourceNumber, WebhookSettings};
use domicile_world::Millis;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How far back events are counted.
const DAY_MS: i64 = 24 * 3_600_000;
/// Positions of the log that one forecast reads at most: the newest.
const POSITIONS_MAX: u64 = 20_000_000;
/// People that are told apart, of all destinations together: about 64 MiB.
const PEOPLE_MAX: usize = 2_000_000;
/// How far the first step back in the log goes; each further one doubles.
const STEP_BACK: u64 = 4_096;

/// What is said of one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It is switched off.
    Off,
    Refused(Box<Refusal>),
    Goes(Foreseen),
}

/// What becomes of what goes to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It goes, and did not.
    Begins,
    /// It goes to another host or country.
    Moves,
    /// More of each event goes, or it can't be told that less does.
    More,
    /// Less of each event goes.
    Less,
    /// It does not go any more.
    Stops,
    Same,
}

impl Effect {
    pub const WORDS: &'static [&'static str] = &["begins", "moves", "more", "less", "stops", "same"];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Moves => "moves",
            Self::More => "more",
            Self::Less => "less",
            Self::Stops => "stops",
            Self::Same => "same",
        }
    }

    /// Whether something goes where it did not go before.
    pub fn lets_more_out(self) -> bool {
        matches!(self, Self::Begins | Self::Moves | Self::More)
    }

    pub fn of(before: &Outlook, after: &Outlook) -> Self {
        let (before, after) = match (before, after) {
            (Outlook::Goes(before), Outlook::Goes(after)) => (before, after),
            (Outlook::Goes(_), _) => return Self::Stops,
            (_, Outlook::Goes(_)) => return Self::Begins,
            _ => return Self::Same,
        };
        if (&before.host, before.country) != (&after.host, after.country) {
            return Self::Moves;
        }
        match (before.rule.fields(), after.rule.fields()) {
            (None, None) => Self::Same,
            (Some(_), None) => Self::More,
            (None, Some(_)) => Self::Less,
            (Some(before), Some(after)) if before == after => Self::Same,
            (Some(before), Some(after)) if after.is_within(before) => Self::Less,
            (Some(_), Some(_)) => Self::More,
        }
    }
}

/// What a border says of a webhook, and whether it is switched on.
pub(crate) fn outlook(border: &Border, destination: &Destination, webhook: &WebhookSettings, enabled: bool) -> Outlook {
    if !enabled {
        return Outlook::Off;
    }
    match border.foresee(&ask_of(&destination.workspace, webhook)) {
        Ok(foreseen) => Outlook::Goes(foreseen),
        Err(refusal) => Outlook::Refused(Box::new(refusal)),
    }
}

/// One destination, before and after.
pub(crate) struct Flow {
    pub destination: Arc<Destination>,
    pub source: SourceNumber,
    pub before: Outlook,
    pub after: Outlook,
    pub effect: Effect,
    pub counted: Counted,
}

impl Flow {
    /// `after`: what changes of the destination, and the border that judges it then.
    pub fn new(
        destination: &Arc<Destination>,
        source: SourceNumber,
        before: &Border,
        after: (&Border, Option<&(WebhookSettings, bool)>),
    ) -> Self {
        let DestinationKind::Webhook(now) = &destination.kind;
        let (border, changed) = after;
        let (then, enabled) = changed.map_or((now, destination.enabled), |(then, enabled)| (then, *enabled));
        let before = outlook(before, destination, now, destination.enabled);
        let after = outlook(border, destination, then, enabled);
        let effect = Effect::of(&before, &after);
        Self { destination: Arc::clone(destination), source, before, after, effect, counted: Counted::default() }
    }

    fn may_go(&self) -> bool {
        matches!((&self.before, &self.after), (Outlook::Goes(_), _) | (_, Outlook::Goes(_)))
    }
}

/// Events, and whose they are.
#[derive(Default)]
pub(crate) struct Counted {
    pub events: u64,
    people: HashSet<User>,
    /// There were more than could be told apart.
    pub at_least: bool,
}

impl Counted {
    /// `room`: how many more people can be told apart.
    fn add(&mut self, user: User, room: &mut usize) {
        self.events += 1;
        if self.people.contains(&user) {
            return;
        }
        if *room == 0 {
            self.at_least = true;
            return;
        }
        *room -= 1;
        self.people.insert(user);
    }

    pub fn people(&self) -> usize {
        self.people.len()
    }
}

/// The span of time that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub from: Millis,
    pub until: Millis,
    /// Whether all of the day was read.
    pub is_whole: bool,
}

/// Counts the events of the last day that each of the flows gets, as far as its filters let them through. Reads files.
pub(crate) fn count(cell: &Cell, flows: &mut [Flow]) -> Result<Window, ApiError> {
    let until = cell.world.clock.now();
    let from = Millis(until.0 - DAY_MS);
    let end = cell.events.end();
    let (start, is_whole) = begin(cell, from, end)?;
    let mut by_source: HashMap<SourceNumber, Vec<usize>> = HashMap::new();
    for (place, flow) in flows.iter().enumerate().filter(|(_, flow)| flow.may_go()) {
        by_source.entry(flow.source).or_default().push(place);
    }
    let mut window = Window { from, until, is_whole };
    if by_source.is_empty() {
        return Ok(window);
    }
    let mut reader = cell.events.reader("policy check", start)?;
    let (mut room, mut first) = (PEOPLE_MAX, None);
    while reader.position() < end {
        let Some(frame) = reader.next()? else { break };
        reader.release(reader.position());
        let EventFrame::Decided(decided) = frame else { continue };
        first.get_or_insert(decided.log_time);
        let Some(places) = by_source.get(&decided.source).filter(|_| decided.received_at >= from) else { continue };
        for (_, event) in decided.kept() {
            let user = user_of(event);
            for place in places {
                flows[*place].take(event, user, &mut room);
            }
        }
    }
    if !is_whole {
        window.from = first.unwrap_or(from);
    }
    Ok(window)
}

impl Flow {
    fn take(&mut self, event: &[u8], user: User, room: &mut usize) {
        let filters = &self.destination.filters;
        if filters.iter().next().is_some()
            && matches!(filter::apply(filters.iter(), event), filter::Outcome::Dropped { .. })
        {
            return;
        }
        self.counted.add(user, room);
    }
}

/// A position at or before the first event that was decided at `from` or later, and whether it is that: the log's time is that
/// of the decision, which is never before an event is received.
fn begin(cell: &Cell, from: Millis, end: Position) -> Result<(Position, bool), ReadError> {
    let start = cell.events.start();
    let earliest = Position(end.0.saturating_sub(POSITIONS_MAX)).max(start);
    let mut back = STEP_BACK;
    loop {
        let at = Position(end.0.saturating_sub(back)).max(earliest);
        let mut reader = cell.events.reader("policy check", at)?;
        let log_time = reader.next()?.map(|frame| match frame {
            EventFrame::Decided(decided) => decided.log_time,
            EventFrame::Mark(mark) => mark.log_time,
        });
        if log_time.is_none_or(|log_time| log_time < from) || at == start {
            return Ok((at, true));
        }
        if at == earliest {
            return Ok((at, false));
        }
        back = back.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_border::Rule;
    use domicile_event::reduce::{Draft, Reduction};
    use domicile_region::{Country, Transfer};

    fn goes(host: &str, country: &str, hash: Option<&[&str]>) -> Outlook {
        let country = Country::new(country).expect("a country");
        let fields = hash.map(|hash| {
            let hash = Some(hash.iter().map(|path| (*path).to_owned()).collect());
            Reduction::check(&Draft { hash, ..Draft::default() }).expect("good fields")
        });
        let transfer = |fields| Transfer {
            to: country,
            vendor: None,
            basis: "scc".to_owned(),
            approved_by: "a".to_owned(),
            expires: "2027-06-30".to_owned(),
            fields: Some(fields),
        };
        let rule = fields.map_or(Rule::Allow(country), |fields| Rule::Transfer(Arc::new(transfer(fields))));
        Outlook::Goes(Foreseen { host: host.to_owned(), country, rule })
    }

    #[test]
    fn an_effect_says_whether_something_goes_where_it_did_not_go() {
        let (here, less) = (goes("a", "IE", None), goes("a", "IE", Some(&["userId"])));
        let least = goes("a", "IE", Some(&["userId", "anonymousId"]));
        let other = goes("a", "IE", Some(&["anonymousId"]));
        for (before, after, effect) in [
            (&Outlook::Off, &Outlook::Off, Effect::Same),
            (&Outlook::Off, &here, Effect::Begins),
            (&here, &Outlook::Off, Effect::Stops),
            (&here, &here, Effect::Same),
            (&here, &goes("a", "US", None), Effect::Moves),
            (&here, &goes("b", "IE", None), Effect::Moves),
            (&here, &less, Effect::Less),
            (&less, &here, Effect::More),
            (&less, &less, Effect::Same),
            (&less, &least, Effect::Less),
            (&least, &less, Effect::More),
            (&less, &other, Effect::More),
        ] {
            assert_eq!(Effect::of(before, after), effect, "{before:?} {after:?}");
            assert!(Effect::WORDS.contains(&effect.as_str()));
        }
    }

    #[test]
    fn people_are_counted_exactly_as_far_as_there_is_room_and_then_at_least() {
        let user = |n: u32| user_of(format!("{{\"userId\":\"u{n}\"}}").as_bytes());
        let (mut counted, mut room) = (Counted::default(), 2);
        for (who, people, at_least) in
            [(1, 1, false), (1, 1, false), (2, 2, false), (1, 2, false), (3, 2, true), (2, 2, true)]
        {
            counted.add(user(who), &mut room);
            assert_eq!((counted.people(), counted.at_least), (people, at_least), "{who}");
        }
        assert_eq!(counted.events, 6);
    }
}
