//! Whether a region lets something go to a country.

use crate::Purpose;
use domicile_region::{BorderPolicy, Country, Transfer};
use domicile_world::Millis;
use std::fmt;
use std::sync::Arc;

/// Under which rule of the region's policy a permit was given: [`domicile_region::Rule`], kept past the policy's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The country is in `border.allow`.
    Allow(Country),
    /// A named exception.
    Transfer { to: Country, vendor: Option<Arc<str>>, basis: Arc<str>, expires: Arc<str> },
}

impl Rule {
    /// The rule's kind: a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Transfer { .. } => "transfer",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(country) => write!(f, "allow {country}"),
            Self::Transfer { to, vendor, basis, expires } => {
                let vendor = vendor.as_deref().unwrap_or("any vendor");
                write!(f, "transfer to {to} for {vendor} ({basis}, until {expires})")
            }
        }
    }
}

/// Why no rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRule {
    NotAllowed,
    /// There was a transfer; its last day is past.
    Expired,
}

/// The rule that lets `purpose` reach `country` at `now`. A transfer's last day is a whole day in UTC.
pub(crate) fn rule_for(policy: &BorderPolicy, country: Country, purpose: Purpose, now: Millis) -> Result<Rule, NoRule> {
    let today = day(now);
    match policy.rule(country, purpose.vendor(), &today) {
        Some(domicile_region::Rule::Allow) => Ok(Rule::Allow(country)),
        Some(domicile_region::Rule::Transfer(transfer)) => Ok(Rule::Transfer {
            to: country,
            vendor: transfer.vendor.as_deref().map(Arc::from),
            basis: transfer.basis.as_str().into(),
            expires: transfer.expires.as_str().into(),
        }),
        None => {
            let was_for = |transfer: &Transfer| {
                let vendor = transfer.vendor.as_deref();
                transfer.to == country && (vendor.is_none() || vendor == purpose.vendor())
            };
            Err(if policy.transfers.iter().any(was_for) { NoRule::Expired } else { NoRule::NotAllowed })
        }
    }
}

/// `YYYY-MM-DD` in UTC. A clock outside all calendars is after every transfer.
fn day(now: Millis) -> String {
    match jiff::Timestamp::from_millisecond(now.0) {
        Ok(moment) => moment.strftime("%Y-%m-%d").to_string(),
        Err(_) => "9999-12-31".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_region::CountrySet;

    const NOON_2027_06_30: Millis = Millis(1_814_356_800_000);
    const DAY_MS: i64 = 86_400_000;

    fn judged(vendor: Option<&str>, code: &str, now: Millis) -> String {
        let country = |code| Country::new(code).expect("a country");
        let transfer = Transfer {
            to: country("US"),
            vendor: vendor.map(str::to_owned),
            basis: "dpf".to_owned(),
            approved_by: "dpo@example.com".to_owned(),
            expires: "2027-06-30".to_owned(),
        };
        let policy = BorderPolicy { allow: CountrySet::These([country("IE")].into()), transfers: vec![transfer] };
        match rule_for(&policy, country(code), Purpose::Webhook, now) {
            Ok(rule) => rule.to_string(),
            Err(no) => format!("{no:?}"),
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
