//! Who sent where, and whether a transfer that the ledger has covers it: by the entries alone, without asking a border.

use crate::entry::{Ended, Granted, Sent, Time};
use domicile_world::Millis;
use std::collections::BTreeMap;

/// From whom, to where, under which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    pub country: String,
    pub host: String,
    pub rule: String,
    pub workspace: String,
    pub destination: String,
}

impl Way {
    pub(super) fn of(sent: &Sent) -> Self {
        let Sent { workspace, destination, host, country, rule, .. } = sent.clone();
        Self { country, host, rule, workspace, destination }
    }
}

/// How much went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Went {
    pub requests: u64,
    pub delivered: u64,
    /// Requests that no granted transfer covers, and when the last of them was entered. Where the policy allows the
    /// country, none has to.
    pub uncovered: u64,
    pub last_uncovered: Option<Millis>,
}

impl Went {
    pub(super) fn take(&mut self, at: Millis, sent: &Sent, is_covered: bool) {
        self.requests = self.requests.saturating_add(sent.requests);
        self.delivered = self.delivered.saturating_add(sent.delivered);
        if !is_covered {
            self.uncovered = self.uncovered.saturating_add(sent.requests);
            self.last_uncovered = self.last_uncovered.max(Some(at));
        }
    }
}

/// What goes out is entered some seconds later: for so long a transfer covers it past its end.
const ENTERED_LATE_MS: i64 = 60_000;

/// The transfers that the entries so far have granted, each with when it was ended.
#[derive(Default)]
pub(super) struct Transfers(BTreeMap<String, (Granted, Option<Millis>)>);

impl Transfers {
    pub fn granted(&mut self, granted: &Granted) {
        self.0.insert(granted.transfer.clone(), (granted.clone(), None));
    }

    pub fn ended(&mut self, at: Millis, ended: &Ended) {
        if let Some((_, end)) = self.0.get_mut(&ended.transfer) {
            *end = Some(at);
        }
    }

    /// Whether one names the country, for all workspaces or this one, and had not come to its end. Of the vendor an entry
    /// says nothing but what its rule does.
    pub fn cover(&self, at: Millis, sent: &Sent) -> bool {
        let went_at = at.plus(-ENTERED_LATE_MS);
        let day = Time(went_at).to_string();
        let day = day.get(..10).unwrap_or_default();
        self.0.values().any(|(granted, end)| {
            granted.to == sent.country
                && granted.workspace.as_ref().is_none_or(|workspace| *workspace == sent.workspace)
                && granted.expires.as_str() >= day
                && end.is_none_or(|end| end >= went_at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    const NOON: Millis = Millis(1_814_356_800_000); // 2027-06-30
    const HOUR_MS: i64 = 3_600_000;

    fn granted(transfer: &str, workspace: Option<&str>, to: &str) -> Granted {
        Granted {
            transfer: transfer.to_owned(),
            workspace: workspace.map(str::to_owned),
            to: to.to_owned(),
            vendor: None,
            basis: "scc".to_owned(),
            approved_by: "dpo@example.com".to_owned(),
            expires: "2027-06-30".to_owned(),
            fields: None,
        }
    }

    fn sent(workspace: &str, country: &str) -> Sent {
        Sent {
            workspace: workspace.to_owned(),
            destination: "d".to_owned(),
            host: "partner.example".to_owned(),
            address: "9.9.9.9".to_owned(),
            country: country.to_owned(),
            rule: "any".to_owned(),
            requests: 2,
            delivered: 1,
            bytes: 3,
            digest: Digest([0; 32]),
        }
    }

    #[test]
    fn a_transfer_covers_its_country_its_workspace_and_its_time_and_nothing_else() {
        let mut transfers = Transfers::default();
        transfers.granted(&granted("t1", Some("a"), "US"));
        transfers.granted(&granted("t2", None, "JP"));
        transfers.granted(&granted("t3", None, "BR"));
        transfers.ended(NOON, &Ended { transfer: "t3".to_owned(), workspace: None });
        transfers.ended(NOON, &Ended { transfer: "nobody's".to_owned(), workspace: None });
        for (workspace, country, later_ms, covered) in [
            ("a", "US", 0, true),
            ("b", "US", 0, false),
            ("a", "CA", 0, false),
            ("b", "JP", 0, true),
            ("b", "JP", 12 * HOUR_MS + 59_999, true),
            ("b", "JP", 12 * HOUR_MS + 60_000, false),
            ("b", "BR", 60_000, true),
            ("b", "BR", 60_001, false),
        ] {
            let found = transfers.cover(NOON.plus(later_ms), &sent(workspace, country));
            assert_eq!(found, covered, "{workspace} {country} {later_ms}");
        }
    }

    #[test]
    fn what_no_transfer_covers_is_counted_with_when_it_was_last() {
        let mut went = Went::default();
        went.take(NOON, &sent("a", "US"), true);
        assert_eq!((went.requests, went.uncovered, went.last_uncovered), (2, 0, None));
        went.take(NOON.plus(1), &sent("a", "US"), false);
        went.take(NOON, &sent("a", "US"), false);
        assert_eq!((went.requests, went.delivered, went.uncovered), (6, 3, 4));
        assert_eq!(went.last_uncovered, Some(NOON.plus(1)));
    }
}
