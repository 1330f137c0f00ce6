//! Where a partner stands: countries and groups of them.

use domicile_region::{Country, Topology};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Territory {
    Country(Country),
    /// Somewhere in a group of countries, such as `EU`; the partner does not say where.
    Group(&'static str, &'static [Country]),
    /// At the region's own ingest points, or at a host of the customer's, whose country the customer declares and the
    /// border checks: in every region.
    Own,
}

impl Territory {
    /// `US`, `EU` or `own`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Country(country) => country.as_str(),
            Self::Group(name, _) => name,
            Self::Own => "own",
        }
    }

    /// Its countries; none for [`Territory::Own`].
    pub fn countries(&self) -> &[Country] {
        match self {
            Self::Country(country) => std::slice::from_ref(country),
            Self::Group(_, countries) => countries,
            Self::Own => &[],
        }
    }

    pub fn contains(&self, country: Country) -> bool {
        self.countries().contains(&country)
    }

    fn named(name: &str) -> Option<Self> {
        // The built-in groups as the treaties have them, not a topology's.
        static GROUPS: LazyLock<BTreeMap<String, Vec<Country>>> = LazyLock::new(|| Topology::built_in().groups);
        if name == "own" {
            return Some(Self::Own);
        }
        let group = || GROUPS.get_key_value(name).map(|(name, countries)| Self::Group(name, countries));
        Country::new(name).map(Self::Country).or_else(group)
    }
}

impl fmt::Display for Territory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Territory {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom(format!("`{name}` is no country and no built-in group"));
        Self::named(&name).ok_or_else(wrong)
    }
}

/// Which regions may use an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usable {
    Anywhere,
    /// Where the region's country is in one of these. Never empty.
    In(Vec<Territory>),
}

impl Usable {
    pub fn in_country(&self, country: Country) -> bool {
        match self {
            Self::Anywhere => true,
            Self::In(territories) => territories.iter().any(|territory| territory.contains(country)),
        }
    }
}

impl<'de> Deserialize<'de> for Usable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Said {
            Word(String),
            In(Vec<Territory>),
        }
        match Said::deserialize(from)? {
            Said::Word(word) if word == "anywhere" => Ok(Self::Anywhere),
            Said::In(territories) if !territories.is_empty() && !territories.contains(&Territory::Own) => {
                Ok(Self::In(territories))
            }
            _ => Err(serde::de::Error::custom("`usable` is \"anywhere\" or a list of countries and groups")),
        }
    }
}

pub(crate) fn some_territories<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Territory>, D::Error> {
    let territories = Vec::deserialize(from)?;
    if territories.is_empty() { Err(serde::de::Error::custom("`endpoints` is empty")) } else { Ok(territories) }
}
