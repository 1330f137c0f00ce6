//! Countries and sets of them.

use std::collections::BTreeSet;
use std::fmt;

/// ISO 3166-1 alpha-2, upper case, for example `IE`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// A country from its two capital letters; `None` for anything else, also for codes that ISO has not assigned.
    pub fn new(code: &str) -> Option<Self> {
        let &[a, b] = code.as_bytes() else { return None };
        (a.is_ascii_uppercase() && b.is_ascii_uppercase()).then_some(Self([a, b]))
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
