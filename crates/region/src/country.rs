//! Countries and sets of them.

use std::collections::BTreeSet;
use std::fmt;

/// ISO 3166-1 alpha-2, upper case, for example `IE`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// A country from its two capital letters; `None` for anything else, also for codes that ISO has not assigned.
    pub fn new(code: &str) -> Option<Self> {
        ASSIGNED.binary_search(&code).ok()?;
        let &[a, b] = code.as_bytes() else { return None };
        Some(Self([a, b]))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which countries: named ones, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountrySet {
    Any,
    These(BTreeSet<Country>),
}

impl CountrySet {
    pub fn contains(&self, country: Country) -> bool {
        match self {
            Self::Any => true,
            Self::These(set) => set.contains(&country),
        }
    }
}

/// Groups that every topology knows; its own `groups` may add others or say differently.
///
/// EU, EEA and EFTA are as their treaties say. No treaty says what APAC is: this is East, South and South-East Asia with
/// Oceania's larger states.
pub(crate) const BUILT_IN_GROUPS: &[(&str, &str)] = &[
    ("ANZ", "AU NZ"),
    ("APAC", "AU BD BN BT CN FJ HK ID IN JP KH KR LA LK MM MN MO MV MY NP NZ PG PH SG TH TL TW VN"),
    ("ASEAN", "BN ID KH LA MM MY PH SG TH TL VN"),
    ("BENELUX", "BE LU NL"),
    ("DACH", "AT CH DE"),
    ("EEA", "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"),
    ("EFTA", "CH IS LI NO"),
    ("EU", "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"),
    ("NORDICS", "DK FI IS NO SE"),
];

/// The officially assigned codes of ISO 3166-1, sorted.
#[rustfmt::skip]
const ASSIGNED: [&str; 249] = [
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD",
    "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ", "CA",
    "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE",
    "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA",
    "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK",
    "HM", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP",
    "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT",
    "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS",
    "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ",
    "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS",
    "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST",
    "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW",
    "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "YE", "YT", "ZA",
    "ZM", "ZW",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assigned_codes_are_sorted_and_each_is_a_country() {
        assert!(ASSIGNED.is_sorted());
        assert!(ASSIGNED.iter().all(|code| Country::new(code).is_some_and(|country| country.as_str() == *code)));
    }

    #[test]
    fn what_iso_has_not_assigned_is_no_country() {
        for code in ["XX", "XK", "UK", "EU", "ie", "Ie", "I", "", "IRL", "I\u{c9}", "\u{e9}"] {
            assert_eq!(Country::new(code), None, "{code}");
        }
    }

    #[test]
    fn every_member_of_a_built_in_group_is_a_country_and_the_eea_is_the_eu_and_three_more() {
        for (name, members) in BUILT_IN_GROUPS {
            assert!(members.split(' ').all(|code| Country::new(code).is_some()), "{name}");
        }
        let members = |wanted: &str| -> BTreeSet<&str> {
            BUILT_IN_GROUPS.iter().filter(|(name, _)| *name == wanted).flat_map(|(_, m)| m.split(' ')).collect()
        };
        let (eu, eea) = (members("EU"), members("EEA"));
        assert_eq!(eu.len(), 27);
        assert_eq!(eea.difference(&eu).copied().collect::<Vec<_>>(), ["IS", "LI", "NO"]);
        assert!(eu.is_subset(&eea));
    }
}
