//! What the entries say together: windows without gaps, and counts that add up.

use super::Report;
use super::ways::{Transfers, Way, Went};
use crate::entry::{Accepted, Counts, Decided, Entry, Erased, Stored, What};
use crate::tlog::{Signs, VKey};
use std::collections::BTreeMap;

/// One source, over the whole ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSums {
    pub accepted: u64,
    pub decided: Counts,
    /// Events in files of the archive, without those of files that were erased.
    pub stored: u64,
    /// Kept events that are in no file any more, because a person was erased.
    pub erased: u64,
}

/// What the ledger says in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub sources: BTreeMap<String, SourceSums>,
    /// Requests, events delivered and bytes of requests, by country.
    pub sent: BTreeMap<String, (u64, u64, u64)>,
    /// The same by who sent where, with what no transfer covers.
    pub ways: BTreeMap<Way, Went>,
    pub refused: u64,
    /// Up to which position there are entries.
    pub accepted: u64,
    pub decided: u64,
}

/// The objects that the ledger names.
pub(super) type Objects = BTreeMap<String, (u64, Stored)>;

/// Reads the entries in order.
#[derive(Default)]
pub(super) struct Book {
    sums: Sums,
    accepted: Windows,
    decided: Windows,
    objects: Objects,
    transfers: Transfers,
    /// Whether the cell was opened: then the windows have their beginning.
    opened: bool,
    /// Files that were erased and not put back, by their source and events.
    erased: BTreeMap<String, (String, u64)>,
    /// With the entry that named each first.
    witnesses: Vec<(VKey, u64)>,
}

/// Windows of one log, of which the entries of each stand together.
#[derive(Default)]
struct Windows {
    until: u64,
    open: Option<Open>,
}

struct Open {
    window: [u64; 2],
    events: u64,
    first_entry: u64,
}

impl Windows {
    /// One workspace's part of a window.
    fn part(&mut self, index: u64, [first, end]: [u64; 2], events: u64, what: &str, report: &mut Report) {
        if self.open.as_ref().is_some_and(|open| open.window != [first, end]) {
            self.close(what, report);
        }
        if self.open.is_none() && first != self.until {
            let text = format!("{what} begins at position {first}, and {} follows", self.until);
            report.find(format!("entry {index}"), text);
        }
        if end <= first {
            report.find(format!("entry {index}"), "its window ends before it begins");
        }
        let open = self.open.get_or_insert(Open { window: [first, end], events: 0, first_entry: index });
        open.events = open.events.saturating_add(events);
    }

    /// The window's parts must be all of it.
    fn close(&mut self, what: &str, report: &mut Report) {
        let Some(Open { window: [first, end], events, first_entry }) = self.open.take() else { return };
        let length = end.saturating_sub(first);
        if events != length {
            let text = format!("{what} of {length} positions ({first} to {end}) has {events} events");
            report.find(format!("entry {first_entry}"), text);
        }
        self.until = self.until.max(end);
    }
}

const ACCEPTED: &str = "the window of what was accepted";
const DECIDED: &str = "the window of what was decided";

impl Book {
    pub fn take(&mut self, index: u64, entry: Entry, report: &mut Report) {
        let place = || format!("entry {index}");
        match &entry.what {
            What::Opened(opened) => {
                self.close_windows(report);
                if !std::mem::replace(&mut self.opened, true) {
                    (self.accepted.until, self.decided.until) = (opened.accepted, opened.decided);
                } else if (opened.accepted, opened.decided) != (self.accepted.until, self.decided.until) {
                    let text = format!(
                        "it says that {} were accepted and {} decided, and there are {} and {}",
                        opened.accepted, opened.decided, self.accepted.until, self.decided.until
                    );
                    report.find(place(), text);
                }
            }
            What::Closed(closed) => {
                self.close_windows(report);
                if (closed.accepted, closed.decided) != (self.accepted.until, self.decided.until) {
                    let text = format!(
                        "it says that {} were accepted and {} decided, and there are {} and {}",
                        closed.accepted, closed.decided, self.accepted.until, self.decided.until
                    );
                    report.find(place(), text);
                }
            }
            What::Accepted(accepted) => self.accepted(index, accepted, report),
            What::Decided(decided) => self.decided(index, decided, report),
            What::Stored(stored) => self.stored(index, stored, report),
            What::Sent(sent) => {
                let sum = self.sums.sent.entry(sent.country.clone()).or_default();
                sum.0 = sum.0.saturating_add(sent.requests);
                sum.1 = sum.1.saturating_add(sent.delivered);
                sum.2 = sum.2.saturating_add(sent.bytes);
                let went = self.sums.ways.entry(Way::of(sent)).or_default();
                went.take(entry.at, sent, self.transfers.cover(entry.at, sent));
                if sent.delivered > sent.requests {
                    report.find(place(), "more was delivered than requests went out");
                }
            }
            What::Refused(refused) => self.sums.refused = self.sums.refused.saturating_add(refused.times),
            What::Granted(granted) => self.transfers.granted(granted),
            What::Ended(ended) => self.transfers.ended(entry.at, ended),
            What::Configured(_) | What::KeyMade(_) | What::KeyDestroyed(_) | What::Moved(_) => {}
            What::Erased(erased) => self.erased(index, erased, report),
            What::WitnessNamed(named) => match VKey::read(&named.key).filter(|key| key.signs == Signs::Cosignatures) {
                Some(key) if self.witnesses.iter().all(|(other, _)| *other != key) => self.witnesses.push((key, index)),
                Some(_) => {}
                None => report.find(place(), "its key is not one of a witness"),
            },
        }
        if index == 0 && !matches!(entry.what, What::Opened(_)) {
            report.find(place(), "a ledger begins with the opening of its cell");
        }
    }

    fn accepted(&mut self, index: u64, accepted: &Accepted, report: &mut Report) {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        if [sum(&accepted.sources), sum(&accepted.points)] != [Some(accepted.events); 2] {
            report
                .find(format!("entry {index}"), "its counts by source or by ingest point do not add up to its events");
        }
        if accepted.requests == 0 || accepted.requests > accepted.events {
            report.find(format!("entry {index}"), "it has no request, or more requests than events");
        }
        for (source, events) in &accepted.sources {
            let sums = self.sums.sources.entry(source.clone()).or_default();
            sums.accepted = sums.accepted.saturating_add(*events);
        }
        self.accepted.part(index, accepted.window, accepted.events, ACCEPTED, report);
    }

    fn decided(&mut self, index: u64, decided: &Decided, report: &mut Report) {
        let mut events = 0_u64;
        for (source, counts) in &decided.sources {
            events = events.saturating_add(counts.sum().unwrap_or(u64::MAX));
            let sums = &mut self.sums.sources.entry(source.clone()).or_default().decided;
            for (sum, more) in [
                (&mut sums.kept, counts.kept),
                (&mut sums.duplicate, counts.duplicate),
                (&mut sums.invalid, counts.invalid),
                (&mut sums.blocked, counts.blocked),
                (&mut sums.filtered, counts.filtered),
            ] {
                *sum = sum.saturating_add(more);
            }
        }
        self.decided.part(index, decided.window, events, DECIDED, report);
    }

    fn stored(&mut self, index: u64, stored: &Stored, report: &mut Report) {
        if !is_plain(&stored.object) {
            // It is not looked for: who wrote this name may want another file to be read.
            return report.find(format!("entry {index}"), "its object is not a name below the archive's folder");
        }
        match self.objects.get(&stored.object) {
            None => {
                let sums = self.sums.sources.entry(stored.source.clone()).or_default();
                sums.stored = sums.stored.saturating_add(stored.events);
                if let Some((source, events)) = self.erased.remove(&stored.object) {
                    if source != stored.source || stored.events > events {
                        report.find(format!("entry {index}"), "it is not what erasing would leave of the file");
                    }
                    let sums = self.sums.sources.entry(source).or_default();
                    sums.erased = sums.erased.saturating_sub(stored.events);
                }
                self.objects.insert(stored.object.clone(), (index, stored.clone()));
            }
            // A crash between the entry and the cursor has it entered again.
            Some((_, before)) if before == stored => {}
            Some((before, _)) => {
                let text = format!("{} was stored before, as something else (entry {before})", stored.object);
                report.find(format!("entry {index}"), text);
            }
        }
    }

    fn erased(&mut self, index: u64, erased: &Erased, report: &mut Report) {
        for object in &erased.objects {
            let Some((_, stored)) = self.objects.remove(object) else {
                report.find(format!("entry {index}"), format!("{object} was erased, and was not stored"));
                continue;
            };
            let sums = self.sums.sources.entry(stored.source.clone()).or_default();
            sums.stored = sums.stored.saturating_sub(stored.events);
            sums.erased = sums.erased.saturating_add(stored.events);
            self.erased.insert(object.clone(), (stored.source, stored.events));
        }
    }

    fn close_windows(&mut self, report: &mut Report) {
        self.accepted.close(ACCEPTED, report);
        self.decided.close(DECIDED, report);
    }

    /// The counts at the end; gives what the archive has to have.
    pub fn finish(mut self, report: &mut Report) -> (Objects, Vec<(VKey, u64)>) {
        self.close_windows(report);
        (self.sums.accepted, self.sums.decided) = (self.accepted.until, self.decided.until);
        if self.decided.until > self.accepted.until {
            let text = format!("{} events are decided, and {} accepted", self.decided.until, self.accepted.until);
            report.find("the entries", text);
        }
        let all_decided = self.decided.until == self.accepted.until;
        for (source, sums) in &self.sums.sources {
            let decided = sums.decided.sum().unwrap_or(u64::MAX);
            if decided > sums.accepted || (all_decided && decided != sums.accepted) {
                let text = format!("source {source}: {} events were accepted, and {decided} decided", sums.accepted);
                report.find("the entries", text);
            }
            let kept = sums.decided.kept;
            let stored = sums.stored.saturating_add(sums.erased);
            if stored > kept || (report.closed && all_decided && stored != kept) {
                report.find("the entries", format!("source {source}: {kept} events were kept, and {stored} stored"));
            }
        }
        report.sums = self.sums;
        (self.objects, self.witnesses)
    }
}

/// Whether a name is one of a file below a folder, on any system.
fn is_plain(name: &str) -> bool {
    let is_plain =
        |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.contains(['\\', ':', '\0']);
    name.len() <= 1024 && name.split('/').all(is_plain)
}
