//! Whether a region lets something go to a country: its own policy, and the transfers of one workspace.

use crate::Ask;
use domicile_event::reduce::Reduction;
use domicile_region::{BorderPolicy, Country, Transfer};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What holds now. Each part keeps its allocation for as long as it does not change, so that a permit can tell whether what it
/// was judged under still holds.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub policy: Arc<BorderPolicy>,
    pub grants: BTreeMap<WorkspaceId, Arc<[Transfer]>>,
}

/// What one ask is judged under.
#[derive(Clone, Debug)]
pub(crate) struct Under {
    policy: Arc<BorderPolicy>,
    grants: Option<Arc<[Transfer]>>,
}

impl InForce {
    pub fn new(policy: BorderPolicy) -> Self {
        Self { policy: Arc::new(policy), grants: BTreeMap::new() }
    }

    /// The same with other grants; lists that are equal stay what they are.
    pub fn with_grants(&self, grants: BTreeMap<WorkspaceId, Vec<Transfer>>) -> Self {
        let kept = |workspace: &WorkspaceId, transfers: Vec<Transfer>| match self.grants.get(workspace) {
            Some(same) if **same == *transfers => Arc::clone(same),
            _ => transfers.into(),
        };
        let grants = grants.into_iter().filter(|(_, transfers)| !transfers.is_empty());
        let grants = grants.map(|(workspace, transfers)| (workspace.clone(), kept(&workspace, transfers))).collect();
        Self { policy: Arc::clone(&self.policy), grants }
    }

    /// Whether these are the grants that it has.
    pub fn has_grants(&self, grants: &BTreeMap<WorkspaceId, Vec<Transfer>>) -> bool {
        let mut others = grants.iter().filter(|(_, transfers)| !transfers.is_empty());
        self.grants.iter().all(|(workspace, transfers)| {
            others.next().is_some_and(|(id, others)| id == workspace && **transfers == **others)
        }) && others.next().is_none()
    }

    pub fn for_ask(&self, ask: &Ask) -> Under {
        let grants = self.grants.get(&ask.workspace).filter(|_| ask.purpose.is_a_workspaces());
        Under { policy: Arc::clone(&self.policy), grants: grants.cloned() }
    }
}

impl Under {
    pub fn is(&self, other: &Self) -> bool {
        let grants = match (&self.grants, &other.grants) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        grants && Arc::ptr_eq(&self.policy, &other.policy)
    }
}

impl Under {
    /// The rule that somebody else names, if it is in force here too.
    pub fn named(&self, rule: &RuleName, country: Country) -> Option<Rule> {
        let find = |transfers: &[Transfer], id: &str| {
            let named = |transfer: &&Transfer| transfer.to == country && transfer.id() == id;
            transfers.iter().find(named).cloned().map(Arc::new)
        };
        match rule {
            RuleName::Allow => self.policy.allow.contains(country).then_some(Rule::Allow(country)),
            RuleName::Transfer(id) => find(&self.policy.transfers, id).map(Rule::Transfer),
            RuleName::WorkspaceTransfer(id) => {
                find(self.grants.as_deref().unwrap_or_default(), id).map(Rule::WorkspaceTransfer)
            }
        }
    }
}

/// A rule by its kind and the transfer's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RuleName {
    Allow,
    Transfer(String),
    WorkspaceTransfer(String),
}

/// Under which rule a permit was given, kept past the policy's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The country is in `border.allow`.
    Allow(Country),
    /// A named exception of the region's policy.
    Transfer(Arc<Transfer>),
    /// A named exception for the ask's workspace alone.
    WorkspaceTransfer(Arc<Transfer>),
}

impl Rule {
    pub(crate) fn name(&self) -> RuleName {
        match self {
            Self::Allow(_) => RuleName::Allow,
            Self::Transfer(transfer) => RuleName::Transfer(transfer.id()),
            Self::WorkspaceTransfer(transfer) => RuleName::WorkspaceTransfer(transfer.id()),
        }
    }

    /// The rule's kind: a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Transfer(_) => "transfer",
            Self::WorkspaceTransfer(_) => "workspace_transfer",
        }
    }

    /// Stands for the rule in the ledger: `allow IE`, or the transfer's [`id`](Transfer::id).
    pub fn id(&self) -> String {
        self.transfer().map_or_else(|| self.to_string(), Transfer::id)
    }

    pub fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Allow(_) => None,
            Self::Transfer(transfer) | Self::WorkspaceTransfer(transfer) => Some(transfer),
        }
    }

    /// What of an event may go out; `None`: all of it.
    pub fn fields(&self) -> Option<&Reduction> {
        self.transfer()?.fields.as_ref()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(country) => write!(f, "allow {country}"),
            Self::Transfer(transfer) => write!(f, "transfer {transfer}"),
            Self::WorkspaceTransfer(transfer) => write!(f, "workspace's transfer {transfer}"),
        }
    }
}

/// Why no rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRule {
    NotAllowed,
    /// There is a transfer, but it lets out fields of events only, and this is no event.
    EventsOnly,
    /// There was a transfer; its last day is past.
    Expired,
}

/// The rule that lets an ask reach `country` at `now`: the region's own before the workspace's. A transfer's last day is a
/// whole day in UTC.
pub(crate) fn rule_for(under: &Under, country: Country, ask: &Ask, now: Millis) -> Result<Rule, NoRule> {
    if under.policy.allow.contains(country) {
        return Ok(Rule::Allow(country));
    }
    let today = day(now);
    let grants = under.grants.as_deref().unwrap_or_default();
    let all = under.policy.transfers.iter().map(|transfer| (transfer, false)).chain(grants.iter().map(|t| (t, true)));
    let mut no = NoRule::NotAllowed;
    for (transfer, of_workspace) in all.filter(|(transfer, _)| transfer.is_for(country, ask.place.vendor())) {
        // What is not sent event by event can't be held to fields.
        if transfer.fields.is_some() && !ask.purpose.carries_events() {
            no = NoRule::EventsOnly;
        } else if transfer.has_expired(&today) {
            no = NoRule::Expired;
        } else {
            let transfer = Arc::new(transfer.clone());
            return Ok(if of_workspace { Rule::WorkspaceTransfer(transfer) } else { Rule::Transfer(transfer) });
        }
    }
    Err(no)
}

/// `YYYY-MM-DD` in UTC. A clock outside all calendars is after every transfer.
pub(crate) fn day(now: Millis) -> String {
    match jiff::Timestamp::from_millisecond(now.0) {
        Ok(moment) => moment.strftime("%Y-%m-%d").to_string(),
        Err(_) => "9999-12-31".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, Purpose};
    use domicile_region::CountrySet;

    const NOON_2027_06_30: Millis = Millis(1_814_356_800_000);
    const DAY_MS: i64 = 86_400_000;

    fn transfer(vendor: Option<&str>) -> Transfer {
        Transfer {
            to: country("US"),
            vendor: vendor.map(str::to_owned),
            basis: "dpf".to_owned(),
            approved_by: "dpo@example.com".to_owned(),
            expires: "2027-06-30".to_owned(),
            fields: None,
        }
    }

    fn country(code: &str) -> Country {
        Country::new(code).expect("a country")
    }

    fn judged(vendor: Option<&str>, code: &str, now: Millis) -> String {
        shown(transfer(vendor), Place::Declared(None), code, now)
    }

    fn shown(transfer: Transfer, place: Place, code: &str, now: Millis) -> String {
        let policy = BorderPolicy { allow: CountrySet::These([country("IE")].into()), transfers: vec![transfer] };
        let ask = Ask { workspace: WorkspaceId::new("w"), purpose: Purpose::Webhook, url: String::new(), place };
        match rule_for(&InForce::new(policy).for_ask(&ask), country(code), &ask, now) {
            Ok(rule) => rule.to_string(),
            Err(no) => format!("{no:?}"),
        }
    }

    #[test]
    fn a_transfer_that_names_a_vendor_holds_for_the_partner_of_that_name() {
        let partner = |vendor: &str| Place::Partner { vendor: vendor.into(), country: country("US") };
        let shown = |vendor, place| shown(transfer(vendor), place, "US", NOON_2027_06_30);
        assert_eq!(shown(Some("acme"), partner("acme")), "transfer to US for acme (dpf, until 2027-06-30)");
        assert_eq!(shown(None, partner("acme")), "transfer to US for any vendor (dpf, until 2027-06-30)");
        assert_eq!(shown(Some("acme"), partner("acme-labs")), "NotAllowed");
        assert_eq!(shown(Some("acme"), Place::Declared(Some(country("US")))), "NotAllowed");
    }

    #[test]
    fn equal_grants_stay_what_they_are_and_changed_ones_do_not() {
        let ask = |workspace: &str, purpose| {
            let (workspace, place) = (WorkspaceId::new(workspace), Place::Declared(None));
            Ask { workspace, purpose, url: String::new(), place }
        };
        let grants = |vendor: Option<&str>| {
            let (a, b) = (WorkspaceId::new("a"), WorkspaceId::new("b"));
            BTreeMap::from([(a, vec![transfer(None)]), (b, vec![transfer(vendor)])])
        };
        let first =
            InForce::new(BorderPolicy { allow: CountrySet::Any, transfers: Vec::new() }).with_grants(grants(None));
        let next = first.with_grants(grants(Some("acme")));
        for (workspace, purpose, same) in [
            ("a", Purpose::Webhook, true),
            ("b", Purpose::Webhook, false),
            ("c", Purpose::Webhook, true),
            ("b", Purpose::SignIn, true),
        ] {
            let ask = ask(workspace, purpose);
            assert_eq!(first.for_ask(&ask).is(&next.for_ask(&ask)), same, "{workspace} {purpose:?}");
        }
    }

    #[test]
    fn a_transfer_holds_for_its_vendor_and_until_the_end_of_its_last_day() {
        let until = "transfer to US for any vendor (dpf, until 2027-06-30)";
        let noon = NOON_2027_06_30;
        assert_eq!(judged(None, "IE", noon), "allow IE");
        assert_eq!(judged(None, "BR", noon), "NotAllowed");
        assert_eq!(judged(None, "US", noon), until);
        assert_eq!(judged(Some("amplitude"), "US", noon), "NotAllowed");
        assert_eq!(
            judged(None, "US", noon.plus(DAY_MS / 2 - 1)),
            "transfer to US for any vendor (dpf, until 2027-06-30)"
        );
        assert_eq!(judged(None, "US", noon.plus(DAY_MS / 2)), "Expired");
        assert_eq!(judged(None, "US", Millis(i64::MAX)), "Expired");
    }
}
