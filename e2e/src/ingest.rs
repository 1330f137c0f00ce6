//! Ingest points as clients, proxies and operators meet them: answers, addresses, certificates, receipts.
//!
//! What one client library or another makes of them is shown by `sdks` and `browser`; here each request is written out.

mod address;
mod answers;
mod https;
mod receipts;

use crate::here;
use crate::tally::Tally;
use crate::up::Home;
use std::path::Path;

pub fn run(domicile: &Path) -> Tally {
    let mut tally = Tally::default();
    let regions = here("src/ingest/regions.yml").display().to_string();
    Home::test(&mut tally, domicile, "answers", &[("--topology", &regions)], answers::same_in_every_region);
    Home::test(&mut tally, domicile, "address", &[], address::of_the_connection);
    Home::test(&mut tally, domicile, "proxy", &[("--trusted-proxy", "127.0.0.0/8")], address::behind_a_proxy);
    https::run(&mut tally, domicile);
    Home::test(&mut tally, domicile, "receipts", &[], receipts::hold_offline);
    tally
}
