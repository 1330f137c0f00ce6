//! The control plane from outside: the API by a published client, by a property-based tester and by raw HTTP; sign-in through a
//! real OpenID provider; regions beside each other; a drill on both; PostgreSQL as its store, which goes away and comes back.

mod api;
mod drill;
mod hostile;
mod life;
mod openapi;
mod postgres;
mod script;
mod side_by_side;
mod sign_in;

pub use api::{Api, encoded, eventually};

use crate::tally::Tally;
use std::path::Path;

type Part = fn(&mut Tally, &Path, &Path);

/// Each part, by the name that `--only` takes.
const PARTS: [(&str, Part); 7] = [
    ("life", life::run),
    ("openapi", openapi::run),
    ("hostile", |tally, domicile, _| hostile::run(tally, domicile)),
    ("sign-in", |tally, domicile, _| sign_in::run(tally, domicile)),
    ("postgres", |tally, domicile, _| postgres::run(tally, domicile)),
    ("drill", |tally, domicile, _| drill::run(tally, domicile)),
    ("side-by-side", |tally, domicile, _| side_by_side::run(tally, domicile)),
];

/// `tools`: a Python environment with the packages of `control/requirements.txt`.
pub fn run(domicile: &Path, tools: &Path, only: Option<&str>) -> Tally {
    let mut tally = Tally::default();
    let parts = || PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
    if parts().next().is_none() {
        let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        tally.check("--only names a part", Err(format!("one of: {}", names.join(", "))));
    }
    for (name, part) in parts() {
        println!("-- {name}");
        part(&mut tally, domicile, tools);
    }
    tally
}
