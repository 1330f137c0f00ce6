//! Transfers that come to their end: figures that rise, and one line in the log for each.

use crate::border::Border;
use crate::policy::{InForce, day};
use domicile_region::Transfer;
use domicile_workspace::WorkspaceId;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often the day is looked at.
const LOOK: Duration = Duration::from_secs(15 * 60);
/// How long before its last day a transfer is told to end.
const TOLD_BEFORE_DAYS: i32 = 7;

impl Border {
    /// Keeps the gauges of the transfers in force, and says once of each that it ends within a week, and that it has ended. Never
    /// returns; dropping it ends the watch.
    pub async fn watch_transfers(&self) {
        let mut told = BTreeSet::new();
        loop {
            let changed = self.changed.notified();
            let seen = look(&self.in_force.load(), &day(self.world.clock.now()), &mut told);
            let region = self.region.to_string();
            metrics::gauge!("domicile_border_transfers_expired", "region" => region.clone()).set(seen.expired as f64);
            metrics::gauge!("domicile_border_transfer_days_left", "region" => region)
                .set(seen.days_left.map_or(f64::INFINITY, f64::from));
            for Told { workspace, transfer, stage } in seen.news {
                let (region, id) = (&self.region, transfer.id());
                let (to, vendor, basis) = (transfer.to, transfer.vendor.as_deref(), transfer.basis.as_str());
                let expires = transfer.expires.as_str();
                let workspace = workspace.as_ref().map(tracing::field::display);
                match stage {
                    Stage::Ending => tracing::warn!(%region, workspace, %id, %to, vendor, basis, expires,
                        "a transfer ends within a week; what it lets out waits from then on"),
                    Stage::Expired => tracing::warn!(%region, workspace, %id, %to, vendor, basis, expires,
                        "a transfer has expired; what it let out waits until it is renewed"),
                }
            }
            tokio::select! {
                () = changed => {}
                () = self.world.clock.sleep(LOOK) => {}
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Ending,
    Expired,
}

/// What the log is told.
struct Told {
    workspace: Option<WorkspaceId>,
    transfer: Transfer,
    stage: Stage,
}

struct Seen {
    expired: usize,
    /// Whole days until the first that holds is on its last day.
    days_left: Option<i32>,
    news: Vec<Told>,
}

/// Looks at all transfers. `told`: what was said already.
fn look(in_force: &InForce, today: &str, told: &mut BTreeSet<(Option<WorkspaceId>, String, Stage)>) -> Seen {
    let policy = in_force.policy.transfers.iter().map(|transfer| (None, transfer));
    let grants = in_force
        .grants
        .iter()
        .flat_map(|(workspace, transfers)| transfers.iter().map(move |transfer| (Some(workspace), transfer)));
    let mut seen = Seen { expired: 0, days_left: None, news: Vec::new() };
    for (workspace, transfer) in policy.chain(grants) {
        let stage = if transfer.has_expired(today) {
            seen.expired += 1;
            Stage::Expired
        } else {
            let left = days_between(today, &transfer.expires);
            seen.days_left = Some(seen.days_left.map_or(left, |least| least.min(left)));
            if left > TOLD_BEFORE_DAYS {
                continue;
            }
            Stage::Ending
        };
        if told.insert((workspace.cloned(), transfer.id(), stage)) {
            seen.news.push(Told { workspace: workspace.cloned(), transfer: transfer.clone(), stage });
        }
    }
    seen
}

/// From one day to a later one; 0 where either is no day.
fn days_between(from: &str, to: &str) -> i32 {
    let (Ok(from), Ok(to)) = (from.parse::<Date>(), to.parse::<Date>()) else { return 0 };
    from.until(to).map_or(0, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_region::{BorderPolicy, Country, CountrySet};
    use std::collections::BTreeMap;

    fn transfer(code: &str, expires: &str) -> Transfer {
        Transfer {
            to: Country::new(code).expect("a country"),
            vendor: None,
            basis: "dpf".to_owned(),
            approved_by: "dpo@example.com".to_owned(),
            expires: expires.to_owned(),
            fields: None,
        }
    }

    #[test]
    fn each_transfer_is_told_once_a_week_before_its_end_and_once_at_its_end() {
        let policy = BorderPolicy {
            allow: CountrySet::Any,
            transfers: vec![transfer("US", "2027-02-28"), transfer("BR", "2029-01-01")],
        };
        let grants = BTreeMap::from([(WorkspaceId::new("w"), vec![transfer("US", "2027-02-28")])]);
        let in_force = InForce::new(policy).with_grants(grants);
        let mut told = BTreeSet::new();
        for (today, expired, days_left, news) in [
            ("2027-02-20", 0, Some(8), ""),
            ("2027-02-21", 0, Some(7), "US Ending, w US Ending"),
            ("2027-02-22", 0, Some(6), ""),
            ("2027-02-28", 0, Some(0), ""),
            ("2027-03-01", 2, Some(672), "US Expired, w US Expired"),
            ("2027-03-02", 2, Some(671), ""),
            // A clock that goes back tells nothing twice.
            ("2027-02-25", 0, Some(3), ""),
            ("9999-12-31", 3, None, "BR Expired"),
        ] {
            let seen = look(&in_force, today, &mut told);
            let shown = |told: &Told| {
                let of = told.workspace.as_ref().map(|workspace| format!("{workspace} ")).unwrap_or_default();
                format!("{of}{} {:?}", told.transfer.to, told.stage)
            };
            let said: Vec<String> = seen.news.iter().map(shown).collect();
            assert_eq!((seen.expired, seen.days_left, said.join(", ").as_str()), (expired, days_left, news), "{today}");
        }
    }
}
